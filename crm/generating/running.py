"""The run: what stands first, then chunks of members in processes, then the indexes."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.utils.translation import gettext as _

from core.errors import AppError
from crm import partitions
from crm.auto_tags.running import count as tag_counts
from crm.generating.history import History
from crm.generating.loading import bare, free_ids, restore
from crm.generating.moments import Moments
from crm.generating.people import DAYS, People, draw_person, stage_of
from crm.generating.tagged import Tagged
from crm.generating.world import World, build
from crm.models import (
    ConsentEntry,
    Event,
    Identity,
    Member,
    MemberTag,
    Order,
    OrderItem,
    Refund,
    Relation,
    TagSet,
)

CHUNK, PROCESSES = 5_000, 2
# Orders of one chunk; far more than are drawn.
_ORDERS_PER_CHUNK = CHUNK * 60
LOADED = (
    *(Member, Identity, Relation, ConsentEntry, MemberTag, TagSet),
    *(Order, OrderItem, Refund, Event),
)
Say = Callable[[str], None]


class HasMembers(AppError):
    """The database holds members already; nothing was written."""


@dataclass(frozen=True)
class Chunk:
    """Members `first` … `first + count - 1`; `number` seeds them."""

    world: World
    seed: int
    number: int
    first: int
    count: int
    first_order: int


def generate(count: int, *, seed: int = 1, add: bool = False, say: Say = print) -> None:
    """Make `count` members with all that hangs on them.

    Raises:
        HasMembers: there are members, and `add` was not given.
    """
    restore()
    if not add and Member.objects.exists():
        raise HasMembers(
            _("This database holds members already; --add makes more beside them.")
        )
    begun = time.monotonic()
    world = build(count)
    first_month = (world.now - timedelta(days=DAYS + 1)).date()
    for start, end in partitions.months_from(first_month, DAYS // 30 + 2):
        partitions.ensure_month(start, end)
    with bare(LOADED):
        _load(world, count, seed, say)
        say(f"rows written after {_clock(begun)}; now keys and indexes")
    say(f"keys and indexes after {_clock(begun)}; now statistics")
    with connection.cursor() as cursor:
        for model in LOADED:
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
    for controller in world.controllers:
        # What the night's rules would leave; the list and tag hygiene read it.
        tag_counts(controller.unit, now=world.now)
    say(f"{count:,} members in {_clock(begun)}")


def _load(world: World, count: int, seed: int, say: Say) -> None:
    begun, done = time.monotonic(), 0
    chunks = list(_chunks(world, count, seed))
    # The processes open connections of their own.
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        waiting = [pool.submit(write, chunk) for chunk in chunks]
        for future in as_completed(waiting):
            done += future.result()
            spent = time.monotonic() - begun
            left = spent / done * (count - done)
            say(f"members {done:,} of {count:,}, about {left / 60:.1f} min left")


def _chunks(world: World, count: int, seed: int) -> Iterator[Chunk]:
    number_of_chunks = -(-count // CHUNK)
    first = free_ids(Member, count)
    first_order = free_ids(Order, number_of_chunks * _ORDERS_PER_CHUNK)
    for number in range(number_of_chunks):
        start = number * CHUNK
        yield Chunk(
            world,
            seed,
            number,
            first + start,
            min(CHUNK, count - start),
            first_order + number * _ORDERS_PER_CHUNK,
        )


def write(chunk: Chunk) -> int:
    """Draw and load one chunk, as a whole or not at all; returns its members."""
    draw = random.Random(f"{chunk.seed}:{chunk.number}")  # noqa: S311
    world = chunk.world
    moments = Moments(world.now.timestamp())
    people = People(moments)
    tagged = Tagged(moments, world)
    history = History(moments, chunk.first_order)
    shares = [controller.share for controller in world.controllers]
    for key in range(chunk.first, chunk.first + chunk.count):
        controller = draw.choices(world.controllers, weights=shares)[0]
        person = draw_person(key, controller, draw)
        history.live(person, draw)
        history.buy(person, draw)
        stage = stage_of(person)
        people.write(person, stage, draw)
        tagged.write(person, stage, draw)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
        for table in (*people.tables, *tagged.tables, *history.tables):
            table.flush()
    return chunk.count


def _clock(begun: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - begun), 60)
    return f"{minutes} min {seconds:02} s"
