"""Views of a list that people keep for themselves."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import BadInput
from staff.models import SavedView, Staff

MOST = 20
NAME_LENGTH, QUERY_LENGTH = 30, 2000


def of(page: str, *, actor: Staff) -> list[SavedView]:
    return list(SavedView.objects.visible_to(actor).filter(page=page))


@transaction.atomic
def save(page: str, name: str, query: str, *, actor: Staff) -> SavedView:
    """Keep `query` under `name`; a view of that name gets the new filters.

    Raises:
        BadInput: no name, too long, nothing to keep, or too many views.
    """
    clean = _clean(name)
    if not query:
        raise BadInput(_("Set a filter first: this view shows everything."))
    if len(query) > QUERY_LENGTH:
        raise BadInput(_("These are more filters than a view can keep."))
    # One at a time per person, so that the number of views holds.
    Staff.objects.select_for_update(no_key=True).get(pk=actor.pk)
    mine = SavedView.objects.filter(staff=actor, page=page)
    if mine.exclude(name=clean).count() >= MOST:
        raise BadInput(_("Keep at most %d views; delete one first.") % MOST)
    view, _made = mine.update_or_create(
        name=clean, defaults={"query": query}, create_defaults=_new(actor, page, query)
    )
    return view


def _new(actor: Staff, page: str, query: str) -> dict[str, object]:
    return {"staff": actor, "page": page, "query": query}


@transaction.atomic
def rename(view: SavedView, name: str, *, actor: Staff) -> None:
    """Raises BadInput: no name, too long, or another view has it."""
    clean = _clean(name)
    mine = SavedView.objects.visible_to(actor).filter(page=view.page)
    if mine.exclude(pk=view.pk).filter(name=clean).exists():
        raise BadInput(_("Another of your views has this name."))
    view.name = clean
    view.save(update_fields=["name"])


@transaction.atomic
def make_default(view: SavedView, is_default: bool, *, actor: Staff) -> None:
    """Open the list with this view; or with everything again."""
    mine = SavedView.objects.visible_to(actor).filter(page=view.page)
    mine.filter(is_default=True).update(is_default=False)
    view.is_default = is_default
    view.save(update_fields=["is_default"])


def _clean(name: str) -> str:
    clean = " ".join(name.split())
    if not clean:
        raise BadInput(_("Give the view a name."))
    if len(clean) > NAME_LENGTH:
        raise BadInput(_("A name has at most %d characters.") % NAME_LENGTH)
    return clean
