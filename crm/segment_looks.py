"""A look at the member list as the rule of a segment, and what no rule can say of it.

Each filter of crm.narrowing has one reading here; that the rule means the people of the
list is a test over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import BadInput
from core.registry import Text
from crm import narrowing, segments
from crm.filters import MEMBER_FILTERS
from crm.identities import kind_for
from crm.models import Identity, Segment
from crm.naming import printable
from crm.segments import SegmentInvalid
from staff.models import OrgUnit, Staff
from wechat.models import Account

Rule = dict[str, Any]
# Values of one key, and whose members: conditions that must all hold.
Reading = Callable[[Sequence[str], OrgUnit], list[Rule]]
SEARCH = "q"
# How to show the list, not whom.
_PAGING = {"p", "o", "e"}
_readings: dict[str, Reading] = {}


@dataclass(frozen=True)
class LeftOut:
    """A part of the look that the rule does not say, and why."""

    title: Text
    why: str


@dataclass(frozen=True)
class Look:
    rule: Rule
    left_out: list[LeftOut]


class NotALook(BadInput):
    code = "not_a_look"
    message = gettext_lazy("The look can't be read.")


def rule_of(asked: QueryDict, controller: OrgUnit, *, staff: Staff) -> Look:
    """The look a query string of the member list asks for, for one data controller.

    Raises NotALook for keys that are no filter, and for values that are none or that the
    person may not see: the list shows nobody for them.
    """
    _require_readable(asked, staff)
    parts: list[Rule] = []
    left_out: list[LeftOut] = []
    for key, values in narrowing.asked_values(asked).items():
        if key == SEARCH:
            left_out.append(_search(values[-1]))
            continue
        try:
            node = segments.parse(
                {"all": _readings[key](values, controller)}, controller=controller
            )
        except SegmentInvalid as refusal:
            left_out.append(LeftOut(titles()[key], str(refusal.message)))
        else:
            parts += segments.as_rule(node)["all"]
    return Look({"all": parts}, left_out)


def controller_in(asked: QueryDict, *, staff: Staff) -> OrgUnit | None:
    """The data controller the look is about, where a filter names a row of one."""
    values = narrowing.asked_values(asked)
    through = [v.removeprefix(narrowing.THROUGH) for v in values.get("reach", [])]
    units = OrgUnit.objects.visible_to(staff)
    accounts = Account.objects.visible_to(staff)
    named: list[tuple[QuerySet[Any], str, list[str]]] = [
        (units, "controller", values.get("store", [])),
        (accounts, "org_unit__controller", values.get("account", through)),
        (Segment.objects.visible_to(staff), "controller", values.get("segment", [])),
    ]
    for rows, path, given in named:
        keys = narrowing.primary_keys(given[-1:])
        if keys:
            owners = rows.filter(pk=keys[0]).values(path)
            found = OrgUnit.objects.filter(pk__in=owners).first()
            if found is not None:
                return found
    return None


def titles() -> dict[str, Text]:
    """What the filters are called, by key."""
    return {each.parameter_name: each.title for each in MEMBER_FILTERS}


def _require_readable(asked: QueryDict, staff: Staff) -> None:
    has_nul = any("\0" in value for _key, values in asked.lists() for value in values)
    if has_nul or set(asked) - {*narrowing.asked_keys(), *_PAGING}:
        raise NotALook
    wrong = [titles()[key] for key in narrowing.unreadable(staff, asked)]
    if wrong:
        words = _(
            "The filter “%(names)s” names something that does not exist or that you"
            " can't see. Choose it anew."
        )
        raise NotALook(words % {"names": _(", ").join(map(str, wrong))})


def _search(text: str) -> LeftOut:
    title = _("Search “%(text)s”") % {"text": printable(text)}
    why = _(
        "A rule has no such search. If a part of the name is meant, add the condition"
        " “Name or remark”."
    )
    return LeftOut(title, why)


# -- one reading for each filter


def _says(key: str) -> Callable[[Reading], Reading]:
    def register(reading: Reading) -> Reading:
        _readings[key] = reading
        return reading

    return register


def _ids(values: Sequence[str]) -> list[int]:
    return narrowing.primary_keys(values) or []


def _column(key: str) -> Reading:
    return lambda values, _controller: [{"on": key, "in": list(values)}]


def _tags(key: str) -> Reading:
    """A condition of its own for each filter: together they may refuse each other."""
    return lambda values, _controller: [{"on": "tags", key: _ids(values)}]


for _key in ("stage", "rfm", "trust"):
    _says(_key)(_column(_key))
for _key in ("any", "all", "none"):
    _says(f"tags_{_key}")(_tags(_key))


@_says("store")
def _store(values: Sequence[str], controller: OrgUnit) -> list[Rule]:
    if values[-1] == narrowing.NOBODY:
        everywhere = {"on": "store", "units": [controller.pk], "with_below": True}
        return [{"not": everywhere}]
    return [{"on": "store", "units": _ids(values[-1:]), "with_below": True}]


@_says("owner")
def _owner(values: Sequence[str], _controller: OrgUnit) -> list[Rule]:
    if values[-1] == narrowing.NOBODY:
        return [{"on": "owner", "is": "nobody"}]
    return [{"on": "owner", "is": "in", "staff": _ids(values[-1:])}]


@_says("segment")
def _segment(values: Sequence[str], _controller: OrgUnit) -> list[Rule]:
    return [{"on": "segment", "segment": _ids(values[-1:])[0], "in": True}]


def _known_to(value: str, **more: Any) -> Rule:
    account = Account.objects.get(pk=_ids([value])[0])
    kind = kind_for(account).value
    return {"on": "identity", "kind": kind, "account": account.pk, **more}


@_says("account")
def _account(values: Sequence[str], _controller: OrgUnit) -> list[Rule]:
    return [_known_to(values[-1])]


@_says("following")
def _following(values: Sequence[str], _controller: OrgUnit) -> list[Rule]:
    if values[-1] == narrowing.NO:
        return [{"not": {"on": "reachable"}}]
    kinds = (Identity.Kind.OPENID, Identity.Kind.EXTERNAL_USERID)
    either = [
        {"on": "identity", "kind": kind.value, "following": True} for kind in kinds
    ]
    return [{"any": either}]


@_says("reach")
def _reach(values: Sequence[str], _controller: OrgUnit) -> list[Rule]:
    value = values[-1]
    if value == narrowing.LOST:
        return [{"not": {"on": "reachable"}}]
    stands = {narrowing.OUT: "opted_out", narrowing.FROZEN: "frozen"}
    marketing = {"on": "marketing", "is": stands.get(value, "may")}
    if not value.startswith(narrowing.THROUGH):
        return [marketing]
    account = value.removeprefix(narrowing.THROUGH)
    return [_known_to(account, following=True), marketing]


@_says("seen")
def _seen(values: Sequence[str], _controller: OrgUnit) -> list[Rule]:
    value = values[-1]
    is_within = value.startswith(narrowing.WITHIN)
    start = narrowing.WITHIN if is_within else narrowing.NOT_WITHIN
    word = "within" if is_within else "not_within"
    return [{"on": "seen", "is": word, "days": int(value.removeprefix(start)[:9])}]
