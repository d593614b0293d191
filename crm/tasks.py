"""Doorbells of crm: each drains what is due and may run any number of times."""

from __future__ import annotations

from celery import shared_task

from core.registry import PeriodicTask, periodic_tasks
from crm import partitions, profiles, purging, tagging
from crm.auto_tags import running as auto_tags
from crm.exchange import sweeping
from crm.segments import computing
from crm.value import running as values


@shared_task
def make_partitions() -> None:
    """Partitions of the timeline for this month and the next three."""
    partitions.make_ahead()


@shared_task
def purge_members() -> None:
    """Whose purge clock has run out."""
    purging.drain()


@shared_task
def drain_profiles() -> None:
    """Profiles that are to be read from the platforms."""
    profiles.drain()


@shared_task
def expire_tags() -> None:
    """Tags whose time is over."""
    tagging.expire()


@shared_task
def drain_values() -> None:
    """Members whose value is to be worked out anew."""
    values.drain()


@shared_task
def start_nightly_values() -> None:
    """Everybody's value, once a night at the hour of the setting."""
    values.start_nightly()


@shared_task
def sweep_exchange() -> None:
    """Files of imports and exports whose time is over."""
    sweeping.sweep()


@shared_task
def compute_segments() -> None:
    """Segments that are due."""
    computing.drain()


@shared_task
def start_segment_round() -> None:
    """Every dynamic segment, once a night when the tag rules are done."""
    if computing.start_round():
        computing.drain()


@shared_task
def start_nightly_tags() -> None:
    """The tag rules, once a night at the hour of the setting, after the values."""
    auto_tags.start_nightly()


def register() -> None:
    """The rhythm of the tasks above, in seconds; called once, in AppConfig.ready()."""
    periodic_tasks.extend(
        (
            PeriodicTask("crm.partitions", "crm.tasks.make_partitions", 6 * 3600),
            PeriodicTask("crm.profiles", "crm.tasks.drain_profiles", 15),
            PeriodicTask("crm.tags", "crm.tasks.expire_tags", 300, "bulk"),
            PeriodicTask("crm.segments", "crm.tasks.compute_segments", 60, "bulk"),
            PeriodicTask(
                "crm.segment_night", "crm.tasks.start_segment_round", 300, "bulk"
            ),
            PeriodicTask("crm.purge", "crm.tasks.purge_members", 3600, "bulk"),
        )
    )
