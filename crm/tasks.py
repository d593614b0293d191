"""Doorbells of crm: each drains what is due and may run any number of times."""

from __future__ import annotations

from celery import shared_task

from crm import partitions, profiles, purging, tagging
from crm.auto_tags import running as auto_tags
from crm.exchange import sweeping
from crm.segments import computing
from crm.value import running as values


@shared_task
def make_partitions() -> None:
    partitions.make_ahead()


@shared_task
def purge_members() -> None:
    purging.drain()


@shared_task
def drain_profiles() -> None:
    profiles.drain()


@shared_task
def expire_tags() -> None:
    tagging.expire()


@shared_task
def drain_values() -> None:
    values.drain()


@shared_task
def start_nightly_values() -> None:
    values.start_nightly()


@shared_task
def sweep_exchange() -> None:
    sweeping.sweep()


@shared_task
def compute_segments() -> None:
    computing.drain()


@shared_task
def start_nightly_tags() -> None:
    auto_tags.start_nightly()
