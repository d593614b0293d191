"""The API against its own OpenAPI document: every check, 200 examples an operation.

Over HTTP against the real web process, as two roles: what one may do, the other is
refused. The borders of every value, some thousand requests an operation, are the same
for both and walked as one of them.
"""

from __future__ import annotations

from collections import Counter

import requests
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
RULES = ["createSegment", "changeSegment", "estimateSegment"]
# Chains of operations, each built on the answers of the one before.
CHAINS = {"stateful": {"enabled": True, "generation": {"max-examples": 25}}}


def check_every_answer(role, make_stack, *, walks_borders):
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
    for others, phases in runs(web.url, walks_borders):
        answers += run(web.url, token, others, phases)

    assert answers[200] > EXAMPLES, "the run hardly saw anything"
    assert answers[201], "no reply or order was ever accepted"


def runs(url, walks_borders):
    """(operations left out, phases). Closing comes last: before it, answers to open
    conversations must be seen to work."""
    document = requests.get(f"{url}/api/v1/schema/?format=json", timeout=30).json()
    known = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if "operationId" in operation
    ]
    once = {"coverage": {"enabled": walks_borders}, "fuzzing": {"enabled": True}}
    yield [CLOSE], once
    yield [name for name in known if name != CLOSE], once
    yield [], CHAINS


def fill(side, person):
    for state in ("new", "done", "dead"):
        side.inbound(state=state)
        side.outbound(person)
        side.item()
        side.touch(people=2)
        member = side.member()
        side.event(member)
        side.order(member)
        conversation = side.conversation(member)
        side.open_window(conversation, allowed=2000)
        side.said(conversation)
        if state != "new":
            assignments.claim(conversation, actor=person)


def run(url, token, others, phases):
    """Run these phases on all other operations; how often each status was answered."""
    config = schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            "checks": {"enabled": True},
            "phases": {"enabled": False, **phases},
            # What a rule may say depends on the rows: any JSON is a query or a 400.
            "operations": [
                {
                    "include-operation-id": RULES,
                    "checks": {"positive_data_acceptance": {"enabled": False}},
                }
            ],
        }
    )
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/schema/", config=config)
    failures, answers = [], Counter()
    for event in from_schema(schema.exclude(operation_id=others)).execute():
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
