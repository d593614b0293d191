"""The small mark-up articles are written in, and the HTML made of it.

Everything is escaped before any tag is made, so nothing a person types or pastes can
become markup of its own. Known are: `# ` and `## ` headings, `- ` lists, `> ` quotes,
`---`, `**bold**`, `[words](https://…)`, empty lines between paragraphs. The styles stand
in the tags because WeChat drops style sheets and classes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby

from django.utils.html import escape

_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\((https?://[^\s()<>]{1,500})\)")

_STYLES = {
    "h2": "font-size:18px;font-weight:bold;margin:24px 0 12px",
    "h3": "font-size:16px;font-weight:bold;margin:20px 0 8px",
    "p": "font-size:15px;line-height:1.75;margin:0 0 14px",
    "ul": "font-size:15px;line-height:1.75;margin:0 0 14px;padding-left:22px",
    "blockquote": "font-size:15px;line-height:1.75;margin:0 0 14px;padding-left:12px;"
    "border-left:3px solid #d9d9d9;color:#666",
}


def to_html(source: str) -> str:
    """The article's HTML, for WeChat's draft box and for our preview."""
    blocks = re.split(r"\n[ \t]*\n", source.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(html for block in blocks for html in _block(block.strip("\n")))


def plain(source: str) -> str:
    """The words without the signs of the mark-up, for searching and short previews."""
    text = _BOLD.sub(r"\1", _LINK.sub(r"\1", source))
    return re.sub(r"^(#{1,2}|[->]) ", "", text, flags=re.MULTILINE).replace("---", "")


def _kind(line: str) -> str:
    for sign, kind in (("## ", "h3"), ("# ", "h2"), ("- ", "ul"), ("> ", "blockquote")):
        if line.startswith(sign):
            return kind
    return "hr" if line.strip() == "---" else "p"


def _block(block: str) -> Iterator[str]:
    for kind, group in groupby(block.split("\n"), key=_kind):
        lines = list(group)
        if any(line.strip() for line in lines):
            yield from _RENDER[kind](kind, lines)


def _headings(kind: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield _tag(kind, _inline(line.lstrip("#").strip()))


def _list(kind: str, lines: list[str]) -> Iterator[str]:
    yield _tag(kind, "".join(f"<li>{_inline(line[2:].strip())}</li>" for line in lines))


def _quote(kind: str, lines: list[str]) -> Iterator[str]:
    yield _tag(kind, "<br>".join(_inline(line[2:].strip()) for line in lines))


def _paragraph(kind: str, lines: list[str]) -> Iterator[str]:
    yield _tag(kind, "<br>".join(_inline(line.strip()) for line in lines))


def _rule(_kind: str, _lines: list[str]) -> Iterator[str]:
    yield '<hr style="border:0;border-top:1px solid #d9d9d9;margin:20px 0">'


_RENDER: dict[str, Callable[[str, list[str]], Iterator[str]]] = {
    "h2": _headings,
    "h3": _headings,
    "ul": _list,
    "blockquote": _quote,
    "hr": _rule,
    "p": _paragraph,
}


def _tag(name: str, inner: str) -> str:
    return f'<{name} style="{_STYLES[name]}">{inner}</{name}>'


def _inline(text: str) -> str:
    """Links first, cut out of the text so that their addresses meet no other rule."""
    parts, at = [], 0
    for match in _LINK.finditer(text):
        parts.append(_bold(text[at : match.start()]))
        parts.append(f'<a href="{escape(match[2])}">{_bold(match[1])}</a>')
        at = match.end()
    parts.append(_bold(text[at:]))
    return "".join(parts)


def _bold(text: str) -> str:
    return _BOLD.sub(r"<strong>\1</strong>", str(escape(text)))
