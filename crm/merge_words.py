"""Merges and doubts in words: why two records became one, what speaks for and against."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm.models import MergeStep

# Codes of Merge.why; anything else is what a person wrote.
WHYS: dict[str, Text] = {
    "unionid": _("Same UnionID"),
    "phone": _("Same phone number"),
    "review": _("Decided on the review list"),
}
# Codes of MatchReview.evidence.
SPEAKS_FOR: dict[str, Text] = {
    "unionid": _("Same UnionID"),
    "external_userid": _("Same external contact"),
    "openid": _("Same OpenID"),
    "buyer": _("Same buyer of a shop"),
    "phone": _("Same phone number"),
    "real_name": _("Same real name"),
    "birthday": _("Same birthday"),
    "display_name": _("Same name on WeChat"),
}
AGAINST: dict[str, Text] = {
    "unionid": _("Two different UnionIDs"),
    "same_account": _("Two identities at one account"),
    "real_name": _("Different real names"),
    "birthday": _("Different birthdays"),
    "gender": _("Different genders"),
    "shared_phone": _("Several people use this number"),
}


def why(code: str) -> Text:
    """What stands for a code of WHYS; words people wrote themselves stay as they are."""
    return WHYS.get(code, code)


def why_of(data: dict[str, object]) -> str:
    """The text of the line "merged" on a timeline."""
    return str(why(str(data.get("why", ""))))


def speaks_for(evidence: dict[str, list[str]]) -> list[Text]:
    """What of the evidence ({"for": [code], "against": [code]}) says: one person."""
    return [SPEAKS_FOR.get(code, code) for code in evidence.get("for", [])]


def speaks_against(evidence: dict[str, list[str]]) -> list[Text]:
    """What of the evidence says: two people."""
    return [AGAINST.get(code, code) for code in evidence.get("against", [])]


@dataclass
class TableLine:
    """What a merge did to one kind of rows, in numbers."""

    name: str
    moved: int = 0
    changed: int = 0
    deleted: int = 0


def table_lines(steps: list[MergeStep]) -> list[TableLine]:
    """One line per table, the longest first; rows made are those dropped elsewhere."""
    found: dict[str, TableLine] = {}
    for step in steps:
        if step.kind == MergeStep.Kind.MADE:
            continue
        line = found.setdefault(step.table, TableLine(_table_name(step.table)))
        setattr(line, step.kind, getattr(line, step.kind) + step.row_count)
    return sorted(found.values(), key=lambda line: -line.moved)


def _table_name(label: str) -> str:
    try:
        return str(apps.get_model(label)._meta.verbose_name_plural)
    except LookupError:  # of an app that is gone
        return gettext("others")
