"""What a merge did to every table, kept so that it can be undone exactly.

All tables with a foreign key to Member are found by themselves: their rows of the two
members are read before the handlers run and again after them, and the difference is
the journal. So a new table can't be forgotten. Rows of other tables (messages of a
conversation) are named by the handler: `journal.watch`, `journal.move`.

Undoing compares three states of a row: before the merge, after it, and now. What was
changed since by somebody else stays as they left it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.db.models import Q

from crm import registry
from crm.models import Event, MatchReview, Member, Merge, MergeStep, TagSet
from crm.models.merges import Image

Model = type[models.Model]
Key = tuple[Any, ...]

# A step holds this many rows at most, however long a history is.
STEP_ROWS = 5_000
# Told by the merges themselves, moved as one statement (the timeline), or kept by a
# trigger (tag sets).
_APART = {Merge, MatchReview, Event, TagSet}
# Locking their rows would make a merge wait for a recount of a whole segment.
_UNLOCKED = {"crm.segmentmember", "crm.membervalue"}


def member_fields(model: Model) -> list[str]:
    """Names of the model's foreign keys to Member."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if field.is_relation and field.related_model is Member
    ]


def tables() -> Iterator[Model]:
    """Every model whose rows belong to a member, but those with a way of their own."""
    for model in apps.get_models():
        is_apart = model in _APART
        if is_apart or model._meta.label_lower in registry.derived_tables:
            continue
        if member_fields(model):
            yield model


def key_of(model: Model) -> list[str]:
    """The columns that name a row."""
    return [field.attname for field in model._meta.pk_fields]


def columns_of(model: Model) -> list[str]:
    """The columns of a row as the database names them, foreign keys with `_id`."""
    return [field.attname for field in model._meta.concrete_fields]


def _encode(value: Any) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def images(model: Model, rows: Iterable[Mapping[str, Any]]) -> dict[Key, Image]:
    """Rows as JSON knows them, by key; encrypted values are open here."""
    key = key_of(model)
    found: dict[Key, Image] = {}
    for row in rows:
        image = json.loads(json.dumps(dict(row), default=_encode))
        found[tuple(image[name] for name in key)] = image
    return found


def by_keys(model: Model, keys: Iterable[Key]) -> Q:
    """Rows with one of these keys."""
    names = key_of(model)
    if len(names) == 1:
        return Q(**{f"{names[0]}__in": [key[0] for key in keys]})
    found = Q(pk__in=[])
    for key in keys:
        found |= Q(**dict(zip(names, key, strict=True)))
    return found


class Journal:
    """Writes down what becomes of the rows of two members while they are merged."""

    def __init__(self, merge: Merge) -> None:
        self.merge = merge
        self._pair = (merge.kept_id, merge.gone_id)
        self._before: dict[Model, dict[Key, Image]] = {}
        self._number = 0

    # what handlers call

    def watch(self, rows: models.QuerySet[Any]) -> None:
        """Rows that may be changed or deleted; rows of members are watched anyway."""
        known = self._before.setdefault(rows.model, {})
        for key, image in self._read(rows, lock=True).items():
            known.setdefault(key, image)

    def move(self, rows: models.QuerySet[Any], field: str, to: models.Model) -> int:
        """Point `field` of rows that nothing else changes at `to`; how many went over.

        For many rows: only their ids are kept. All must have pointed at the same row.
        """
        model: Model = rows.model
        pks = list(rows.order_by().values_list("pk", flat=True))
        if not pks:
            return 0
        attname = model._meta.get_field(field).attname  # type: ignore[union-attr]
        origin = rows.order_by().values_list(attname, flat=True)[0]
        model._base_manager.filter(pk__in=pks).update(**{field: to})
        self._write_ids(model, field, pks, origin=origin, target=to.pk)
        return len(pks)

    # what a merge calls

    def begin(self) -> None:
        """Take in every row of the two members, and keep others from changing them."""
        for model in tables():
            rows = model._base_manager.filter(self._of_pair(model))
            lock = model._meta.label_lower not in _UNLOCKED
            self._before[model] = self._read(rows, lock=lock)

    def move_events(self, kept: Member, gone: Member) -> None:
        """In one statement: a line written at this moment is not missed."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE crm_event SET member_id = %s WHERE member_id = %s RETURNING id",
                [kept.pk, gone.pk],
            )
            ids = [row[0] for row in cursor.fetchall()]
        self._write_ids(Event, "member", ids, origin=gone.pk, target=kept.pk)

    def close(self) -> None:
        """Write the steps: what is different now."""
        for model, before in self._before.items():
            rows = model._base_manager.filter(by_keys(model, before))
            if member_fields(model):
                rows = model._base_manager.filter(
                    self._of_pair(model) | by_keys(model, before)
                )
            self._compare(model, before, self._read(rows, lock=False))

    # inside

    def _of_pair(self, model: Model) -> Q:
        found = Q(pk__in=self._pair) if model is Member else Q(pk__in=[])
        for field in member_fields(model):
            found |= Q(**{f"{field}__in": self._pair})
        return found

    def _read(self, rows: models.QuerySet[Any], *, lock: bool) -> dict[Key, Image]:
        model: Model = rows.model
        rows = rows.order_by(*key_of(model))
        if lock:
            rows = rows.select_for_update(no_key=True, of=("self",))
        return images(model, rows.values(*columns_of(model)))

    def _compare(
        self, model: Model, before: dict[Key, Image], after: dict[Key, Image]
    ) -> None:
        moved: dict[str, list[int]] = {}
        changed: list[Image] = []
        for key, old in before.items():
            new = after.get(key)
            if new is None or new == old:
                continue
            names = [name for name in old if old[name] != new[name]]
            field = self._went_over(model, names, old, new)
            if field:
                moved.setdefault(field, []).append(key[0])
                continue
            difference: Image = {"key": list(key)}
            difference["before"] = {name: old[name] for name in names}
            difference["after"] = {name: new[name] for name in names}
            changed.append(difference)
        for field, ids in moved.items():
            self._write_ids(
                model, field, ids, origin=self.merge.gone_id, target=self.merge.kept_id
            )
        gone = [image for key, image in before.items() if key not in after]
        made = [{"key": list(key)} for key in after if key not in before]
        kinds = MergeStep.Kind
        for kind, rows in (
            (kinds.CHANGED, changed),
            (kinds.DELETED, gone),
            (kinds.MADE, made),
        ):
            for start in range(0, len(rows), STEP_ROWS):
                self._step(model, kind, rows=rows[start : start + STEP_ROWS])

    def _went_over(
        self, model: Model, names: list[str], old: Image, new: Image
    ) -> str | None:
        """The field by which the row changed hands, when that is all that changed."""
        if len(names) != 1 or not isinstance(old.get(model._meta.pk.attname), int):
            return None  # of composite and other keys no list of numbers can be kept
        for field in member_fields(model):
            if names == [model._meta.get_field(field).attname]:  # type: ignore[union-attr]
                is_plain = (old[names[0]], new[names[0]]) == self._pair[::-1]
                return field if is_plain else None
        return None

    def _write_ids(
        self, model: Model, field: str, ids: list[int], *, origin: int, target: int
    ) -> None:
        for start in range(0, len(ids), STEP_ROWS):
            self._step(
                model,
                MergeStep.Kind.MOVED,
                field=field,
                ids=ids[start : start + STEP_ROWS],
                origin=origin,
                target=target,
            )

    def _step(self, model: Model, kind: str, **fields: Any) -> None:
        self._number += 1
        rows = fields.pop("rows", None)
        MergeStep.objects.create(
            merge=self.merge,
            number=self._number,
            table=model._meta.label_lower,
            kind=kind,
            row_count=len(rows if rows is not None else fields["ids"]),
            rows="" if rows is None else json.dumps(rows, ensure_ascii=False),
            **fields,
        )


class Undo:
    """Puts the rows of one merge back as they were.

    `targets(Model)` are the rows about to be written: {key: {column: value}}, which a
    handler of `registry.on_unmerge` may still change (as JSON). `then(work)` runs after
    everything is back.
    """

    def __init__(self, merge: Merge) -> None:
        self.merge = merge
        self._steps = list(merge.steps.order_by("-number"))
        self._targets: dict[Model, dict[Key, Image]] = {}
        self._now: dict[Model, dict[Key, Image]] = {}
        self._lost: dict[Model, list[Image]] = {}
        self._after: list[Any] = []
        self._read_changed()

    def targets(self, model: Model) -> dict[Key, Image]:
        return self._targets.get(model, {})

    def now(self, model: Model) -> dict[Key, Image]:
        """The same rows as they stand before the undo."""
        return self._now.get(model, {})

    def then(self, work: Any) -> None:
        """Run `work()` once every row is back."""
        self._after.append(work)

    def moved(self, model: Model, field: str = "member") -> list[int]:
        """Ids of the rows that change hands again."""
        found: list[int] = []
        for step in self._steps_of(MergeStep.Kind.MOVED):
            if step.table == model._meta.label_lower and step.field == field:
                found += step.ids
        return found

    def write(self) -> None:
        self._take_out_made()
        self._take_out_changed()
        for step in self._steps_of(MergeStep.Kind.MOVED):
            _move_back(step)
        self._put_back()
        for work in self._after:
            work()

    def _steps_of(self, kind: str) -> list[MergeStep]:
        return [step for step in self._steps if step.kind == kind]

    def _read_changed(self) -> None:
        kinds = MergeStep.Kind
        for step in self._steps_of(kinds.DELETED):
            self._lost.setdefault(apps.get_model(step.table), []).extend(step.images())
        for step in self._steps_of(kinds.CHANGED):
            model = apps.get_model(step.table)
            differences = {tuple(each["key"]): each for each in step.images()}
            rows = model._base_manager.filter(by_keys(model, differences))
            rows = rows.order_by(*key_of(model)).select_for_update(of=("self",))
            now = images(model, rows.values(*columns_of(model)))
            for key, row in now.items():
                self._now.setdefault(model, {})[key] = row
                target = _three_way(row, differences[key])
                self._targets.setdefault(model, {})[key] = target

    def _take_out_made(self) -> None:
        for step in self._steps_of(MergeStep.Kind.MADE):
            model = apps.get_model(step.table)
            keys = [tuple(each["key"]) for each in step.images()]
            _delete(model, keys)

    def _take_out_changed(self) -> None:
        """Rows a unique rule looks at make way first: the rule is checked row by row."""
        for model, targets in self._targets.items():
            now = self._now[model]
            for key in [key for key in targets if targets[key] == now[key]]:
                del targets[key]
            if _is_ruled(model):
                _delete(model, list(targets))

    def _put_back(self) -> None:
        for model, targets in self._targets.items():
            if _is_ruled(model):
                _insert(model, list(targets.values()))
                continue
            for key, target in targets.items():
                now = self._now[model][key]
                values = {
                    name: _value(model, name, target[name])
                    for name in target
                    if target[name] != now[name]
                }
                model._base_manager.filter(by_keys(model, [key])).update(**values)
        for model, lost in self._lost.items():
            _insert(model, lost)


def _three_way(now: Image, difference: Image) -> Image:
    """`now` with what the merge changed taken back, unless it was changed since."""
    target = dict(now)
    for name, before in difference["before"].items():
        if name in now and now[name] == difference["after"][name]:
            target[name] = before
    return target


def _move_back(step: MergeStep) -> None:
    model = apps.get_model(step.table)
    rows = model._base_manager.filter(pk__in=step.ids, **{step.field: step.target})
    if model is Event:
        # The index of the member's lines is used, not one key in each of the months.
        rows = Event.objects.filter(member=step.target).extra(
            where=["id = ANY(%s)"], params=[step.ids]
        )
    rows.order_by().update(**{step.field: step.origin})


def may_collide(model: Model, field: str) -> bool:
    """Whether a rule may forbid that two rows name the same member in `field`."""
    column: Any = model._meta.get_field(field)
    return (
        column.unique
        or column.attname in key_of(model)
        or any(field in rule.fields for rule in _unique_rules(model))
    )


def _unique_rules(model: Model) -> list[models.UniqueConstraint]:
    rules = model._meta.constraints
    return [rule for rule in rules if isinstance(rule, models.UniqueConstraint)]


def _is_ruled(model: Model) -> bool:
    return bool(_unique_rules(model)) or any(
        may_collide(model, field) for field in member_fields(model)
    )


def _delete(model: Model, keys: list[Key]) -> None:
    if keys:
        rows = model._base_manager.filter(by_keys(model, keys))
        rows._raw_delete(rows.db)


def _insert(model: Model, rows: list[Image]) -> None:
    """As they were, ids and times too; not those that pointed at what is gone since."""
    for image in _whole(model, rows):
        columns = set(columns_of(model))
        values = {
            name: _value(model, name, value)
            for name, value in image.items()
            if name in columns
        }
        model(**values).save_base(raw=True, force_insert=True)


def _whole(model: Model, rows: list[Image]) -> list[Image]:
    for field in model._meta.concrete_fields:
        if not field.is_relation:
            continue
        name = field.attname
        wanted = {image.get(name) for image in rows} - {None}
        if not wanted:
            continue
        target = field.related_model
        found = target._base_manager.filter(pk__in=wanted)  # type: ignore[union-attr]
        known = set(found.values_list("pk", flat=True))
        rows = [image for image in rows if image.get(name) in {*known, None}]
    return rows


def _value(model: Model, name: str, value: Any) -> Any:
    if value is None:
        return None
    field = next(f for f in model._meta.concrete_fields if f.attname == name)
    return field.to_python(value)
