"""What people are called: cleaned, looked up by fragments, made up when unknown.

Official accounts give no nicknames since 2021-12-27 (contract: user/info), so a member
who only follows one has a made-up name until WeCom, kf or a colleague gives a real one.
"""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext

NAME_LENGTH = 80


def printable(text: object, limit: int = NAME_LENGTH) -> str:
    """`text` on one line without control, direction or broken characters.

    What PostgreSQL can't store (NUL, lone surrogates) is gone too. Joiners inside emoji
    stay.
    """
    kept = (
        char if char == "\u200d" or unicodedata.category(char)[0] != "C" else " "
        for char in str(text or "")[: limit * 4]
    )
    return " ".join("".join(kept).split())[:limit]


def placeholder(value: str) -> str:
    """The made-up name of somebody known by an id only."""
    return gettext("WeChat user · ends in %(tail)s") % {"tail": value[-4:]}


def _words(text: str) -> list[str]:
    return unicodedata.normalize("NFKC", text).casefold().split()


def tokens(*names: str) -> list[str]:
    """Characters and pairs of characters of the names, for a GIN index."""
    found: set[str] = set()
    for name in names:
        for word in _words(name):
            found.update(word)
            found.update(word[i : i + 2] for i in range(len(word) - 1))
    return sorted(found)


def fragment_tokens(fragment: str) -> list[str]:
    """The tokens a name must have to contain the fragment; empty: nothing to look for."""
    found: set[str] = set()
    for word in _words(fragment):
        pairs = {word[i : i + 2] for i in range(len(word) - 1)}
        found.update(pairs or {word})
    return sorted(found)
