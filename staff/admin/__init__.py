"""People, their places, their keys and what they approve."""

from staff.admin import keys, people, places

__all__ = ["keys", "people", "places"]
