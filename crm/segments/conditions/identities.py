"""Where somebody is known: accounts they came to, colleagues they befriended."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from crm.models import ADD_WAYS, Identity, Relation
from crm.segments.conditions.declaring import Condition, ids, labelled
from crm.segments.params import Param


@dataclass(frozen=True, kw_only=True)
class HasIdentity(Condition):
    """At least one identity is so in every respect that is given."""

    on, label, group = "identity", _("Identity"), "identity"
    params = (
        Param(
            "kind",
            _("kind"),
            "choice",
            choices=labelled(Identity.Kind.choices),
            is_required=True,
        ),
        Param("account", _("of the account"), "id", of="account"),
        Param("following", _("following"), "flag"),
        Param("scene", _("came through a scene that begins with"), "text"),
    )
    is_personal = False

    kind: str
    account: int | None = None
    following: bool | None = None
    scene: str | None = None


@dataclass(frozen=True, kw_only=True)
class HasRelation(Condition):
    """At least one WeCom friendship is so in every respect that is given."""

    on, label, group = "relation", _("WeCom friend"), "identity"
    params = (
        ids("colleagues", _("with a colleague"), "colleague"),
        Param(
            "states",
            _("state"),
            "choices",
            choices=labelled(Relation.State.choices),
        ),
        Param(
            "add_ways",
            _("added by"),
            "choices",
            choices=labelled(ADD_WAYS.items()),
        ),
        Param("channel", _("through the channel"), "text"),
    )
    is_personal = False

    colleagues: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    add_ways: tuple[int, ...] = ()
    channel: str | None = None
