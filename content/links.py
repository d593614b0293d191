"""The web addresses in what is written: found, and replaced by others.

Texts reach WeChat as they stand: it makes a link of `https://…` and of
`<a href="https://…">words</a>`
(https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Ends before blanks, quotes, angle and full-width brackets and Chinese text.
_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
# What ends a sentence or a bracket around the address rather than the address.
_TRAILING = ".,;:!?'"


def urls_in(text: str) -> list[str]:
    """The addresses in `text`, each once, in their order."""
    return list(dict.fromkeys(_trimmed(match[0]) for match in _URL.finditer(text)))


def replaced(text: str, by: Mapping[str, str]) -> str:
    """`text` with every address that is a key of `by` exchanged, whole addresses only."""

    def exchange(match: re.Match[str]) -> str:
        url = _trimmed(match[0])
        return by.get(url, url) + match[0][len(url) :]

    return _URL.sub(exchange, text)


def _trimmed(url: str) -> str:
    while url and (url[-1] in _TRAILING or _closes_more(url, "()", "[]")):
        url = url[:-1]
    return url


def _closes_more(url: str, *pairs: str) -> bool:
    """Whether it ends with a bracket that was opened before it began."""
    return any(
        url[-1] == pair[1] and url.count(pair[0]) < url.count(pair[1]) for pair in pairs
    )
