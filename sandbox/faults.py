"""Faults that are waiting for a call: which one meets it, and what it does."""

import re
import threading
from dataclasses import dataclass

from django.db import transaction

from sandbox import world
from sandbox.models import Fault

NAMES = frozenset(
    {
        "busy",
        "token_invalid",
        "token_expired",
        "quota",
        "rate",
        "unauthorised",
        "ip",
        "http_502",
        "html",
        "cut",
        "accept_then_timeout",
        "accept_then_cut",
    }
)
FOREVER = -1

# Answers in words, by platform: https://developer.work.weixin.qq.com/document/path/90313
# and docs/sandbox.md for what is confirmed.
REFUSALS = {
    "mp": {
        "busy": (-1, "system error"),
        "token_invalid": (
            40001,
            "invalid credential, access_token is invalid or not latest, "
            "could get access_token by getStableAccessToken, "
            "more details at https://mmbizurl.cn/s/JtxxFh33r",
        ),
        "token_expired": (42001, "access_token expired"),
        "quota": (45009, "reach max api daily quota limit"),
        "rate": (
            45011,
            "api minute-quota reach limit, must slower, retry next minute",
        ),
        "unauthorised": (48001, "api unauthorized"),
        "ip": (40164, "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"),
    },
    "qy": {
        "busy": (-1, "system busy"),
        "token_invalid": (40014, "invalid access_token"),
        "token_expired": (42001, "access_token expired"),
        "quota": (45009, "api freq out of limit"),
        "rate": (45033, "api concurrent out of limit"),
        "unauthorised": (48002, "api forbidden"),
        "ip": (60020, "not allow to access from your ip"),
    },
}
MASS_SENDS = ("/message/mass/send", "/message/mass/sendall")


def refusal(platform: str, path: str, name: str) -> tuple[int, str]:
    """Code and words of a refusing fault on this call."""
    if name == "quota" and path.endswith(MASS_SENDS):
        return 45028, "has no masssend quota"
    return REFUSALS[platform][name]


@dataclass(frozen=True)
class Struck:
    """The fault that met one call."""

    name: str
    hold_seconds: float

    @property
    def seconds(self) -> float:
        """Of ``slow:<s>``; 0 for every other fault."""
        return float(self.name[5:]) if self.name.startswith("slow:") else 0.0

    @property
    def lets_through(self) -> bool:
        """Whether the call has its effect all the same."""
        return self.name.startswith(("slow:", "accept_"))


def is_known(name: str) -> bool:
    return name in NAMES or re.fullmatch(r"slow:\d{1,3}(\.\d{1,3})?", name) is not None


class _Waiting:
    """Whether any fault waits, asked of the database only after a change: the process
    is the only writer of its file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: bool | None = None
        self._changes = 0

    def any(self) -> bool:
        known, changes = self._known, self._changes
        if known is None:
            known = Fault.objects.exists()
            with self._lock:
                if changes == self._changes:
                    self._known = known
        return known

    def forget(self) -> None:
        with self._lock:
            self._known, self._changes = None, self._changes + 1


_waiting = _Waiting()


def changed() -> None:
    """Faults were set or cleared in the open transaction."""
    transaction.on_commit(_waiting.forget)


def strike(path: str) -> Struck | None:
    """Take one from the oldest fault that waits for this path."""
    if not _waiting.any():
        return None
    with world.change():
        for fault in Fault.objects.order_by("pk"):
            if not _meets(fault.path, path):
                continue
            if fault.left != FOREVER:
                fault.left -= 1
                if fault.left <= 0:
                    fault.delete()
                    changed()
                else:
                    fault.save(update_fields=["left"])
            return Struck(fault.fault, fault.hold_seconds)
    return None


def _meets(wanted: str, path: str) -> bool:
    wanted = wanted.strip("/")
    return wanted == "*" or ("/" + path.strip("/")).endswith("/" + wanted)
