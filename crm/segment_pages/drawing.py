"""What the builder's script draws itself from: conditions, choices, names and words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from crm import segments
from crm.segments import sentences, wording
from crm.segments.references import ROWS
from staff.models import OrgUnit, Staff


def catalogue(controller: OrgUnit, staff: Staff) -> dict[str, Any]:
    """{"catalogue": [{"label", "conditions": […]}], "options": {kind: […]}}.

    A condition: {"on", "label", "start", "params"}; the params are those of
    crm.segments.catalogue in the order in which they are said, with the words before and
    after each and choices as [value, words]. Options, [id, words, what it stands under],
    of the kinds that have few; the others are asked for by what is typed.
    """
    found = segments.catalogue(controller, staff)
    return {
        "catalogue": [
            {
                "label": group["label"],
                "conditions": [
                    _condition(found["conditions"][on]) for on in group["conditions"]
                ],
            }
            for group in found["groups"]
        ],
        "options": {
            of: [[row["id"], row["name"], row["group"]] for row in offered["rows"]]
            for of, offered in found["options"].items()
            if offered["is_complete"]
        },
    }


def _condition(given: dict[str, Any]) -> dict[str, Any]:
    params = {param["name"]: param for param in given["params"]}
    return {
        "on": given["on"],
        "label": given["label"],
        "start": wording.START.get(given["on"], {}),
        "params": [
            {
                **params[part.param.name],
                "before": part.before,
                "after": part.after,
                "choices": [list(choice) for choice in part.choices],
            }
            for part in wording.parts_of(given["on"])
        ],
    }


def names(rule: Any, controller: OrgUnit) -> dict[str, dict[int, str]]:
    """What the rows a rule names are called, by kind and id."""
    found: dict[str, dict[int, str]] = {of: {} for of in ROWS}
    for (of, pk), name in sentences.names_in([rule], [controller.pk]).items():
        found[of][pk] = name
    return found


def words() -> dict[str, Any]:
    """What the script says by itself."""
    return {
        "choose": _("Choose …"),
        "search": _("Type to search …"),
        "type": _("Type, then Enter"),
        "enter": _("Enter takes what you typed"),
        "nothing": _("Nothing found"),
        "number": pgettext("a number to be typed", "number"),
        "yes": _("yes"),
        "no": _("no"),
        "remove": _("Remove"),
        "unlimit": _("Without"),
        "duplicate": _("Duplicate"),
        "wrap": _("Put into a group"),
        "up": _("Move up (Alt ↑)"),
        "down": _("Move down (Alt ↓)"),
        "add": _("Add a condition …"),
        "add_group": _("Group of conditions"),
        "limit": _("Narrow …"),
        "and": pgettext("joins conditions", "and"),
        "or": pgettext("joins conditions", "or"),
        "not": pgettext("after “and” or “or”", " not"),
        "holds": _("is so"),
        "holds_not": _("is not so"),
        "connective": _("How it goes together"),
        "mode": _("All or any"),
        "meets": _("Members who meet"),
        "following": _("of the following"),
        "all": pgettext("before “of these conditions”", "all"),
        "any": pgettext("before “of these conditions”", "any"),
        "conditions": _("of these conditions"),
        "everybody": _("Without a condition it is everybody. Add the first one."),
        "empty_group": _("This group is still empty: add a condition or remove it."),
        "unknown_condition": _("Nobody knows this condition any more:"),
        "property": _("property"),
        "sign": _("comparison"),
        "value": _("value"),
        "signs": [list(sign) for sign in wording.signs()],
        "counting": _("Counting …"),
        "looking": _("Looking …"),
        "failed": _("No answer just now; it comes with the next change."),
    }
