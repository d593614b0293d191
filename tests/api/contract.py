"""The API against its own OpenAPI document: every check, 200 examples an operation.

Over HTTP against the real web process, as two roles: what one may do, the other is
refused.
"""

from __future__ import annotations

from collections import Counter

import schemathesis
from schemathesis.engine import events, from_schema

from service import assignments
from staff import tokens
from staff.models import OrgUnit
from tests.api.conftest import make_side
from tests.conftest import build_staff

EXAMPLES = 200
SEED = 20261123
CLOSE = "closeConversation"
UNIT_PHASES = {"coverage": {"enabled": True}, "fuzzing": {"enabled": True}}
# Chains of operations, each built on the answers of the one before.
CHAINS = {"stateful": {"enabled": True, "generation": {"max-examples": 25}}}
# Closing comes last: before it, answers to open conversations must be seen to work.
RUNS = [
    (lambda schema: schema.exclude(operation_id=CLOSE), UNIT_PHASES),
    (lambda schema: schema.include(operation_id=CLOSE), UNIT_PHASES),
    (lambda schema: schema, CHAINS),
]


def check_every_answer(role, make_stack):
    """Every answer to somebody of this role is one the document promises."""
    web = make_stack()
    web.start("web")
    web.wait_web()
    with web.orm():
        unit = OrgUnit.objects.create(name=role, kind="brand")
        person = build_staff(role, org_unit=unit)
        fill(make_side(role.replace("_", "-"), unit), person)
        token = tokens.issue(person, name="test", actor=person)

    answers = Counter()
    for operations, phases in RUNS:
        answers += run(web.url, token, operations, phases)

    assert answers[200] > EXAMPLES, "the run hardly saw anything"
    assert bool(answers[201]) is (role == "agent"), "no reply was ever accepted"


def fill(side, person):
    for state in ("new", "done", "dead"):
        side.inbound(state=state)
        side.outbound(person)
        side.item()
        side.touch(people=2)
        member = side.member()
        side.event(member)
        conversation = side.conversation(member)
        side.open_window(conversation, allowed=2000)
        side.said(conversation)
        if state != "new":
            assignments.claim(conversation, actor=person)


def run(url, token, operations, phases):
    """Run these phases on these operations; how often each status was answered."""
    config = schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            "checks": {"enabled": True},
            "phases": {"enabled": False, **phases},
        }
    )
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/schema/", config=config)
    failures, answers = [], Counter()
    for event in from_schema(operations(schema)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event.info))
        if isinstance(event, events.ScenarioFinished):
            statuses, broken = read(event)
            answers += statuses
            failures += broken
    assert not failures, "\n\n".join(failures[:10])
    assert max(answers) < 500
    return answers


def read(event):
    """What one scenario saw: its statuses, and its failures in words."""
    interactions = event.recorder.interactions.values()
    statuses = Counter(
        each.response.status_code for each in interactions if each.response is not None
    )
    failures = [
        f"{event.label}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
        for checks in event.recorder.checks.values()
        for check in checks
        if check.failure_info is not None
    ]
    return statuses, failures
