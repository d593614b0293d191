"""What people are called: cleaned, looked up by fragments, made up when unknown.

Official accounts give no nicknames since 2021-12-27 (contract: user/info), so a member
who only follows one has a made-up name until WeCom, kf or a colleague gives a real one.
"""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from itertools import islice, product

from django.utils.translation import gettext

NAME_LENGTH = 80
# Begins the tokens of pinyin initials; no word of a name holds it (`_words`).
_INITIALS = "~"
# A token holds 8 characters; nobody types more first letters than that.
_MOST_INITIALS = 7
# Of a character with several readings (单: d, c, s), and of a name full of such.
_MOST_READINGS, _USUAL_READINGS, _MOST_SPELLINGS = 3, 2, 6
_LONGEST_NAME = 4
_LATIN_PARTS = re.compile(r"[a-z0-9]+|[^\x00-\x7f]")


def printable(text: object, limit: int = NAME_LENGTH) -> str:
    """`text` on one line without control, direction or broken characters.

    What PostgreSQL can't store (NUL, lone surrogates) is gone too. Joiners inside emoji
    stay.
    """
    given = str(text or "")[: limit * 4]
    if given.isprintable():  # nearly everything, and many times quicker
        return " ".join(given.split())[:limit]
    kept = (
        char if char == "\u200d" or unicodedata.category(char)[0] != "C" else " "
        for char in given
    )
    return " ".join("".join(kept).split())[:limit]


def placeholder(value: str) -> str:
    """The made-up name of somebody known by an id only."""
    return gettext("WeChat user · ends in %(tail)s") % {"tail": value[-4:]}


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFKC", text).casefold().replace("~", " ").split()


def tokens(*names: str) -> list[str]:
    """What the names are found by: characters, pairs of characters, pinyin initials.

    林小满: 林, 小, 满, 林小, 小满, ~l, ~lx, ~lxm.
    """
    found: set[str] = set()
    for name in names:
        words = _words(name)
        for word in words:
            found.update(word)
            found.update(word[i : i + 2] for i in range(len(word) - 1))
        found |= _initials("".join(words))
    return sorted(found)


def fragment_tokens(fragment: str) -> list[str]:
    """The tokens a name must have to contain the fragment; empty: nothing to look for."""
    found: set[str] = set()
    for word in _words(fragment):
        pairs = {word[i : i + 2] for i in range(len(word) - 1)}
        found.update(pairs or {word})
    return sorted(found)


def initials_token(fragment: str) -> str:
    """The token of a name whose pinyin begins with these letters; "": not letters only."""
    letters = "".join(_words(fragment))
    if not (letters.isascii() and letters.isalpha()):
        return ""
    return f"{_INITIALS}{letters[:_MOST_INITIALS]}"


def _initials(name: str) -> set[str]:
    """Each beginning of the first letters of the name, for every usual reading.

    Letters and digits between the characters stand for themselves; what has no reading
    is passed over. A name without a Chinese character needs none.
    """
    readings = [found for char in name if (found := _first_letters(char))]
    # Rare readings matter in surnames, second ones in names of people only.
    usual = _USUAL_READINGS if len(readings) <= _LONGEST_NAME else 1
    readings[1:] = [found[:usual] for found in readings[1:]]
    if not any(_is_chinese(char) for char in name):
        return set()
    spellings = product(*readings[:_MOST_INITIALS])
    return {
        _INITIALS + "".join(spelling[:end])
        for spelling in islice(spellings, _MOST_SPELLINGS)
        for end in range(1, len(spelling) + 1)
    }


def _is_chinese(char: str) -> bool:
    return char > "\u2e80" and bool(_first_letters(char))


@lru_cache(maxsize=8192)
def _first_letters(char: str) -> tuple[str, ...]:
    """The different first letters of a character's readings, the usual one first."""
    if char.isascii():
        return (char,) if char.isalnum() else ()
    plain = unicodedata.normalize("NFD", _readings().get(ord(char), ""))
    firsts = dict.fromkeys(reading[:1] for reading in plain.split(",") if reading)
    return tuple(firsts)[:_MOST_READINGS]


def latin(text: str) -> str:
    """What a code can be made of: "试吃 A1" → "shi-chi-a1"; "" for signs alone."""
    found = []
    for part in _LATIN_PARTS.findall(unicodedata.normalize("NFKC", text).casefold()):
        reading = part if part.isascii() else _readings().get(ord(part), "")
        plain = unicodedata.normalize("NFD", reading.partition(",")[0])
        found.append("".join(c for c in plain if c.isascii() and c.isalnum()))
    return "-".join(filter(None, found))


@lru_cache(maxsize=1)
def _readings() -> dict[int, str]:
    """Code point → readings. Its dictionary of phrases, 30 MB, is of no use for names."""
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin.constants import PINYIN_DICT

    readings: dict[int, str] = PINYIN_DICT
    return readings
