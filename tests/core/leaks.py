"""Walks every route by which an admin page may show rows, and tells what leaks.

Each walk returns lines "route: what leaked"; an empty list is good. The viewer holds
every permission and belongs to world A; whatever bears the mark of world B is a leak.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from django.db import models, transaction
from django.forms import ModelChoiceField
from django.test import Client
from django.urls import reverse

from tests.core.worlds import World


class Walk:
    """All routes of one registered admin, seen by `mine.viewer`."""

    def __init__(
        self, model_admin: Any, client: Client, mine: World, other: World
    ) -> None:
        self.admin = model_admin
        self.client = client
        self.mine, self.other = mine, other
        self.row = mine.row(model_admin.model)
        self.foreign = other.row(model_admin.model)
        opts = model_admin.model._meta
        self._name = f"admin:{opts.app_label}_{opts.model_name}"
        self._seen: dict[tuple[str, str], Any] = {}

    def url(self, view: str, *args: Any) -> str:
        return reverse(f"{self._name}_{view}", args=args)

    def get(self, address: str, **query: str) -> Any:
        """The page; drawn once, for each route finds the rows as the first did."""
        key = (address, repr(query))
        if key not in self._seen:
            self._seen[key] = self.client.get(address, query)
        return self._seen[key]

    def leaks(self) -> list[str]:
        found: list[str] = []
        for route in ROUTES:
            with transaction.atomic():
                found += [f"{route.__name__}: {line}" for line in route(self)]
                # What a walk changed must not hide what the next one would find.
                transaction.set_rollback(True)
        return found

    def shows(self, response: Any, where: str, said: str = "") -> Iterator[str]:
        """A line when the answer bears the other world's mark, beyond what we said."""
        if response.status_code >= 500:
            yield f"{where}: answers {response.status_code}"
            return
        text = _text(response)
        if said:
            text = text.replace(said, "")
        at = text.find(self.other.mark)
        if at >= 0:
            yield f"{where}: shows {text[max(at - 90, 0) : at + 40]!r}"


def _text(response: Any) -> str:
    if response.streaming:
        return b"".join(response.streaming_content).decode(errors="replace")
    return response.content.decode(errors="replace") + str(response.headers)


def list_rows(walk: Walk) -> Iterator[str]:
    yield from walk.shows(walk.get(walk.url("changelist")), "list")
    yield from walk.shows(walk.client.get(walk.url("changelist"), {"all": ""}), "all")
    yield from walk.shows(walk.client.get(walk.url("changelist"), {"p": "2"}), "page 2")


def search(walk: Walk) -> Iterator[str]:
    response = walk.client.get(walk.url("changelist"), {"q": walk.other.mark})
    yield from walk.shows(response, "search", said=walk.other.mark)
    changelist = response.context and response.context.get("cl")
    if changelist and walk.foreign in list(changelist.result_list):
        yield "search: finds the row"


def filters(walk: Walk) -> Iterator[str]:
    """The choices stand on the list page; here the label of a chosen foreign row."""
    for field in walk.admin.model._meta.get_fields():
        if not (field.is_relation and field.concrete):
            continue
        target = walk.other.row(field.remote_field.model)
        for suffix in ("__id__exact", "__exact"):
            query = {f"{field.name}{suffix}": str(target.pk)}
            response = walk.client.get(walk.url("changelist"), query)
            yield from walk.shows(response, f"filter {query}")


def lookups(walk: Walk) -> Iterator[str]:
    """Guessing a hidden value letter by letter must be refused, not answered."""
    for path in _text_paths(walk.admin.model):
        for suffix in ("__startswith", "__regex", "__gt"):
            response = walk.client.get(walk.url("changelist"), {f"{path}{suffix}": "a"})
            if response.status_code not in (302, 400):
                if suffix == "__gt" and response.status_code == 200:
                    continue  # date filters of the page itself compare
                yield f"{path}{suffix} is answered with {response.status_code}"


def _text_paths(model: type[models.Model]) -> list[str]:
    paths = []
    for field in model._meta.get_fields():
        if not field.concrete:
            continue
        if field.is_relation:
            paths += [
                f"{field.name}__{each.name}"
                for each in field.remote_field.model._meta.concrete_fields
                if isinstance(each, (models.CharField, models.TextField))
            ][:2]
        elif isinstance(field, (models.CharField, models.TextField)):
            paths.append(field.name)
    return paths


def by_id(walk: Walk) -> Iterator[str]:
    """Page, save, history and deletion of a foreign row do not exist."""
    for view in ("change", "history", "delete"):
        address = walk.url(view, walk.foreign.pk)
        for send in (walk.client.get, walk.client.post):
            response = send(address)
            yield from walk.shows(response, f"{view} by id")
            if response.status_code not in (403, 404, 405):
                yield f"{view} by id answers {response.status_code}"


def popups(walk: Walk) -> Iterator[str]:
    for query in ({"_popup": "1"}, {"_popup": "1", "_to_field": "id"}):
        response = walk.get(walk.url("changelist"), **query)
        yield from walk.shows(response, f"pop-up {query}")
    for field in walk.admin.model._meta.concrete_fields:
        if field.primary_key or field.is_relation:
            continue
        response = walk.client.get(walk.url("changelist"), {"_to_field": field.name})
        if response.status_code not in (302, 400, 403):
            yield f"pop-up by {field.name} answers {response.status_code}"


def forms(walk: Walk) -> Iterator[str]:
    """Choices of relations, also in inlines, and names behind raw ids."""
    for where, address in _form_pages(walk):
        yield from walk.shows(walk.get(address), f"{where} form")
        yield from walk.shows(walk.get(address, _popup="1"), f"{where} pop-up form")


def _form_pages(walk: Walk) -> list[tuple[str, str]]:
    return [("add", walk.url("add")), ("change", walk.url("change", walk.row.pk))]


def prefilled(walk: Walk) -> Iterator[str]:
    """`add/?account=7` must not name account 7 of somebody else."""
    for field in walk.admin.model._meta.get_fields():
        if field.is_relation and field.concrete:
            target = walk.other.row(field.remote_field.model)
            response = walk.client.get(walk.url("add"), {field.name: str(target.pk)})
            yield from walk.shows(response, f"add with {field.name} given")


def forged(walk: Walk) -> Iterator[str]:
    """A posted foreign key of somebody else's row is refused and never named."""
    for where, address in _form_pages(walk):
        page = walk.get(address)
        if page.status_code != 200 or "adminform" not in (page.context or {}):
            continue
        form = page.context["adminform"].form
        formsets = page.context["inline_admin_formsets"]
        for name, field in form.fields.items():
            if isinstance(field, ModelChoiceField):
                target = walk.other.row(field.queryset.model)
                data = {**_posted(form, formsets), name: str(target.pk)}
                yield from _forge(walk, address, data, f"{where} {name}")
        yield from _forged_inlines(walk, address, form, formsets, where)


def _forged_inlines(
    walk: Walk, address: str, form: Any, formsets: Any, where: str
) -> Iterator[str]:
    for shown in formsets:
        prefix, model = shown.formset.prefix, shown.formset.model
        target = walk.other.row(model)
        data = {
            **_posted(form, formsets),
            f"{prefix}-TOTAL_FORMS": "1",
            f"{prefix}-INITIAL_FORMS": "1",
            f"{prefix}-0-{model._meta.pk.name}": str(target.pk),
            f"{prefix}-0-{shown.formset.fk.name}": str(walk.row.pk),
            f"{prefix}-0-DELETE": "on",
        }
        yield from _forge(walk, address, data, f"{where} inline {prefix}")
        if not model._base_manager.filter(pk=target.pk).exists():
            yield f"{where} inline {prefix}: deleted a foreign row"
        for name, field in shown.formset.empty_form.fields.items():
            if isinstance(field, ModelChoiceField) and name != model._meta.pk.name:
                foreign = walk.other.row(field.queryset.model)
                data = {
                    **_posted(form, formsets),
                    f"{prefix}-TOTAL_FORMS": "1",
                    f"{prefix}-INITIAL_FORMS": "0",
                    f"{prefix}-0-{name}": str(foreign.pk),
                }
                yield from _forge(walk, address, data, f"{where} {prefix} {name}")


def _posted(form: Any, formsets: Any) -> dict[str, Any]:
    data = {}
    for bound in form:
        value = bound.value()
        if isinstance(value, bool):
            value = "on" if value else None
        if value is not None:
            data[bound.html_name] = value
    for shown in formsets:
        prefix = shown.formset.prefix
        for key in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS"):
            data[f"{prefix}-{key}"] = "0"
        data[f"{prefix}-MAX_NUM_FORMS"] = "1000"
    return data


def _forge(walk: Walk, address: str, data: dict[str, Any], where: str) -> Iterator[str]:
    before = _links(walk)
    with transaction.atomic():
        response = walk.client.post(address, data)
        yield from walk.shows(response, f"forged {where}")
        after = _links(walk)
        if not after <= before:
            yield f"forged {where}: now points at a foreign row {after - before}"
        transaction.set_rollback(True)


def _links(walk: Walk) -> set[tuple[str, Any, Any]]:
    """Who in world A or new points at rows of world B, over the admin's relations."""
    found = set()
    model = walk.admin.model
    models_seen = [model, *(inline.model for inline in walk.admin.inlines)]
    for each in models_seen:
        for field in each._meta.get_fields():
            if not (field.is_relation and field.concrete):
                continue
            target = walk.other.row(field.remote_field.model)
            own = walk.other.row(each)
            rows = each._base_manager.filter(**{field.name: target}).exclude(pk=own.pk)
            found |= {
                (f"{each.__name__}.{field.name}", pk, target.pk)
                for pk in rows.values_list("pk", flat=True)
            }
    return found


def actions(walk: Walk) -> Iterator[str]:
    """List actions on a foreign id, alone and with "select across"."""
    names = ["delete_selected", *dict(walk.admin.get_actions(_request(walk)))]
    for name in names:
        for across in ("0", "1"):
            data = {
                "action": name,
                "_selected_action": [str(walk.foreign.pk)],
                "select_across": across,
                "index": "0",
            }
            with transaction.atomic():
                for extra in ({}, {"post": "yes"}):
                    response = walk.client.post(
                        walk.url("changelist"), {**data, **extra}
                    )
                    yield from walk.shows(response, f"action {name} across={across}")
                model = walk.admin.model
                if not model._base_manager.filter(pk=walk.foreign.pk).exists():
                    yield f"action {name} across={across} removed a foreign row"
                transaction.set_rollback(True)


def deletion(walk: Walk) -> Iterator[str]:
    """What goes along with a row of ours names nothing foreign."""
    yield from walk.shows(walk.client.get(walk.url("delete", walk.row.pk)), "delete")
    yield from walk.shows(walk.client.get(walk.url("history", walk.row.pk)), "history")


def page_actions(walk: Walk) -> Iterator[str]:
    """The theme's actions have addresses of their own."""
    for action in (
        *walk.admin._get_base_actions_detail(),
        *walk.admin._get_base_actions_row(),
    ):
        address = reverse(f"admin:{action.action_name}", args=[walk.foreign.pk])
        for send in (walk.client.get, walk.client.post):
            with transaction.atomic():
                response = send(address)
                transaction.set_rollback(True)
            yield from walk.shows(response, action.action_name)
            if response.status_code not in (403, 404, 405):
                yield f"{action.action_name} answers {response.status_code}"
    for action in walk.admin._get_base_actions_list():
        with transaction.atomic():
            response = walk.client.get(reverse(f"admin:{action.action_name}"))
            transaction.set_rollback(True)
        yield from walk.shows(response, action.action_name)


def own_addresses(walk: Walk) -> Iterator[str]:
    """Further addresses an admin adds for one row ("<id>/card/")."""
    for pattern in walk.admin.get_urls():
        route = str(getattr(pattern, "pattern", ""))
        arguments = re.findall(r"<(?:\w+:)?(\w+)>", route)
        if len(arguments) != 1 or not pattern.name:
            continue
        address = reverse(
            f"admin:{pattern.name}", kwargs={arguments[0]: walk.foreign.pk}
        )
        response = walk.client.get(address)
        yield from walk.shows(response, pattern.name)
        if response.status_code == 200:
            yield f"{pattern.name} opens a foreign row"


def autocomplete(walk: Walk) -> Iterator[str]:
    opts = walk.admin.model._meta
    for field in opts.get_fields():
        if not (field.is_relation and field.concrete):
            continue
        query = {
            "app_label": opts.app_label,
            "model_name": opts.model_name,
            "field_name": field.name,
            "term": "",
        }
        for term in ("", walk.other.mark):
            response = walk.client.get(
                reverse("admin:autocomplete"), {**query, "term": term}
            )
            yield from walk.shows(response, f"autocomplete {field.name}")


def _request(walk: Walk) -> Any:
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = walk.mine.viewer
    return request


ROUTES: tuple[Callable[[Walk], Iterator[str]], ...] = (
    *(list_rows, search, filters, lookups, by_id, popups, forms, prefilled, forged),
    *(actions, deletion, page_actions, own_addresses, autocomplete),
)
