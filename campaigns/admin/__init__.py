"""Admin pages of campaigns, one module per aggregate."""

from campaigns.admin import plan, touches

__all__ = ["plan", "touches"]
