"""Callbacks come twice and in any order: what is known in the end is the same."""

from __future__ import annotations

import json
import random
from pathlib import Path

from crm.models import Event, Identity, Relation
from staff.models import OrgUnit
from tests.crm.conftest import make_account, work_off
from wechat import parsing
from wechat.models import InboundEvent

CORPUS = Path(__file__).resolve().parents[1] / "data" / "corpus"
ENTRIES = json.loads((CORPUS / "index.json").read_text())["entries"]


def receive(accounts, entries):
    for entry in entries:
        body = (CORPUS / entry["file"]).read_bytes()
        fields = parsing.parse_xml(body)
        envelope = parsing.envelope(fields, body, platform=entry["account"])
        InboundEvent.objects.get_or_create(
            app=accounts[entry["account"]].apps.get(),
            dedupe_key=envelope.dedupe_key,
            defaults={
                "kind": envelope.kind,
                "subject": envelope.subject,
                "body": body,
            },
        )
    work_off()
    states = set(InboundEvent.objects.values_list("state", "error"))
    assert states <= {("done", ""), ("ignored", "")}


def known(accounts):
    """Everything known through the two accounts, without our own numbers."""
    members = dict(
        Identity.objects.filter(account__in=accounts.values()).values_list(
            "member", "value"
        )
    )
    facts = []
    for identity in Identity.objects.filter(member__in=members):
        facts.append(
            (
                "identity",
                identity.value,
                identity.is_following,
                identity.followed_at,
                identity.unfollowed_at,
                identity.scene,
            )
        )
        member = identity.member
        facts.append(
            (
                "member",
                members[member.pk],
                member.is_reachable,
                member.purge_due_at,
                member.first_seen_at,
                member.last_seen_at,
            )
        )
    for relation in Relation.objects.filter(member__in=members):
        facts.append(
            (
                "relation",
                members[relation.member_id],
                relation.colleague.userid,
                relation.state,
                relation.added_at,
                relation.ended_at,
                relation.channel_state,
            )
        )
    # How the desk served them depends on when they came, and is not ours.
    ours = Event.objects.filter(member__in=members).exclude(
        kind__startswith="conversation."
    )
    for event in ours.exclude(kind="answered"):
        data = {k: v for k, v in event.data.items() if k != "colleague"}
        facts.append(
            ("event", members[event.member_id], event.kind, event.at, json.dumps(data))
        )
    return sorted(facts, key=repr)


def test_shuffled_and_doubled_callbacks_end_in_the_same_knowledge(world):
    ordered = {"mp": world.service, "wecom": world.wecom}
    receive(ordered, ENTRIES)
    expected = known(ordered)

    for seed in (1, 2, 3):
        dealer = OrgUnit.objects.create(
            name=f"经销商 {seed}",
            kind="dealer",
            parent=world.brand,
            is_separate_controller=True,
        )
        kinds = {"mp": "service", "wecom": "wecom"}
        shuffled = {name: make_account(dealer, kind) for name, kind in kinds.items()}
        entries = ENTRIES * 2
        random.Random(seed).shuffle(entries)
        for start in range(0, len(entries), 7):
            receive(shuffled, entries[start : start + 7])
        assert known(shuffled) == expected, seed
