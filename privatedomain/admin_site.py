"""The one admin site all pages live in."""

from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """Admin site with the console's home, navigation and language switch."""
