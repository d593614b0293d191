"""The HTML of an article as the platform shows it: no scripts, no foreign pictures."""

from html import escape
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from django.conf import settings

TAGS = frozenset(
    [
        "p",
        "br",
        "hr",
        "b",
        "strong",
        "i",
        "em",
        "u",
        "s",
        "sub",
        "sup",
        "small",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "blockquote",
        "pre",
        "code",
        "span",
        "div",
        "section",
        "figure",
        "figcaption",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "a",
        "img",
    ]
)
VOID = frozenset({"br", "hr", "img"})
ATTRIBUTES = frozenset({"style", "alt", "title", "colspan", "rowspan"})
DROPPED_WITH_TEXT = frozenset({"script", "style", "iframe", "object", "svg", "form"})


def shown(html: str, person_id: str) -> str:
    """Clean HTML. With a person, links open as that person inside WeChat."""
    cleaner = _Cleaner(person_id)
    cleaner.feed(html)
    cleaner.close()
    return "".join(cleaner.out)


def link_target(url: str, person_id: str) -> str:
    if not person_id:
        return url
    return "/phone/open?" + urlencode({"person": person_id, "url": url})


class _Cleaner(HTMLParser):
    def __init__(self, person_id: str) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._person_id = person_id
        self._dropped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED_WITH_TEXT:
            self._dropped += 1
        if self._dropped or tag not in TAGS:
            return
        given = {name: value or "" for name, value in attrs}
        kept = {name: value for name, value in given.items() if name in ATTRIBUTES}
        if tag == "img":
            source = given.get("src", "")
            if not _is_ours(source):
                return
            kept["src"] = source
        if tag == "a" and urlsplit(given.get("href", "")).scheme in ("http", "https"):
            kept["href"] = link_target(given["href"], self._person_id)
            kept |= {"target": "_blank", "rel": "noopener"}
        text = "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
        self.out.append(f"<{tag}{text}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in DROPPED_WITH_TEXT:
            self._dropped = max(0, self._dropped - 1)
        elif not self._dropped and tag in TAGS - VOID:
            self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self.out.append(escape(data, quote=False))


def _is_ours(url: str) -> bool:
    """Whether the picture was uploaded with ``media/uploadimg`` or as material."""
    parts = urlsplit(url)
    is_home = parts.port == settings.PORT and parts.hostname in (
        "127.0.0.1",
        "localhost",
    )
    return (not parts.netloc or is_home) and parts.path.startswith("/media/")
