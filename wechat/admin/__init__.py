"""Admin pages of the gateway, one module per aggregate."""

from wechat.admin import accounts, directory, inbox, limits, mass, outbox

__all__ = ["accounts", "directory", "inbox", "limits", "mass", "outbox"]
