"""Links that virtual people open inside WeChat."""

from dataclasses import dataclass, field
from html import unescape
from re import DOTALL, IGNORECASE, search
from urllib.parse import urljoin, urlsplit

import requests
from django.conf import settings

from sandbox.models import Person
from sandbox.web_auth import COOKIE

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_HOPS = 10
SECONDS = 10
USER_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50(0x18003231) "
    "NetType/WIFI Language/zh_CN"
)


@dataclass
class Opened:
    """Where a link led. ``status`` is ``None`` when the last address was not asked:
    it lies outside this machine, or did not answer (``error``)."""

    url: str
    status: int | None = None
    error: str = ""
    text: str = ""
    hops: list[tuple[str, int]] = field(default_factory=list)

    @property
    def title(self) -> str:
        found = search(r"<title[^>]*>(.*?)</title>", self.text, IGNORECASE | DOTALL)
        return unescape(found.group(1)).strip() if found else ""


def is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK


def follow(person: Person, url: str) -> Opened:
    """Open the link as this person and go where it leads, on this machine only."""
    opened = Opened(url)
    with requests.Session() as browser:
        browser.headers["User-Agent"] = USER_AGENT
        browser.trust_env = False
        while is_here(opened.url):
            try:
                response = _ask(browser, person, opened.url)
            except requests.RequestException as problem:
                opened.error = type(problem).__name__
                return opened
            target = response.headers.get("Location", "")
            if not response.is_redirect or not target:
                opened.status, opened.text = response.status_code, response.text
                return opened
            opened.hops.append((opened.url, response.status_code))
            if len(opened.hops) > MOST_HOPS:
                opened.error = "TooManyRedirects"
                return opened
            opened.url = urljoin(opened.url, target)
    return opened


def _ask(browser: requests.Session, person: Person, url: str) -> requests.Response:
    cookies = {COOKIE: person.pk} if urlsplit(url).port == settings.PORT else {}
    return browser.get(url, cookies=cookies, allow_redirects=False, timeout=SECONDS)
