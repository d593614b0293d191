"""Admin pages of the gateway, one module per aggregate."""

from wechat.admin import accounts, directory, inbox, limits, outbox

__all__ = ["accounts", "directory", "inbox", "limits", "outbox"]
