"""The project: settings, entry points, the admin site and its navigation."""
