"""What we say: answers of the account itself, items with their versions, slots, days."""

from content.models.answers import KEYWORD_LENGTH, MAX_KEYWORDS, AnswerRule
from content.models.days import MarketingDay
from content.models.items import Item, Version
from content.models.pictures import Picture, PictureCopy
from content.models.slots import Slot

__all__ = [
    "KEYWORD_LENGTH",
    "MAX_KEYWORDS",
    "AnswerRule",
    "Item",
    "MarketingDay",
    "Picture",
    "PictureCopy",
    "Slot",
    "Version",
]
