"""Reading what a callback said: personal data, so with a reason and on record."""

from __future__ import annotations

import json

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core import audit
from core.errors import AppError
from staff.models import Staff
from wechat.models import InboundEvent

ACTION = "wechat.inbound.revealed"


class ReasonMissing(AppError):
    code = "reason_missing"
    message = _("Say why you need to read it.")


class NoContent(AppError):
    code = "no_content"
    message = _("The content was deleted after its time.")


@transaction.atomic
def reveal(event: InboundEvent, *, actor: Staff, reason: str) -> str:
    """The content as text, after writing who reads it and why.

    Raises ReasonMissing and NoContent.
    """
    reason = reason.strip()
    if len(reason) < 2:
        raise ReasonMissing
    if not event.body:
        raise NoContent
    audit.record(ACTION, event, actor=actor, reason=reason, label=event.kind)
    return readable(event.body)


def readable(body: bytes) -> str:
    """JSON indented; XML and everything else as it came."""
    if body[:1] in {b"{", b"["}:
        try:
            return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            return body.decode(errors="replace")
    return body.decode(errors="replace")
