"""The API against its own OpenAPI document: every check, 200 examples an operation.

Over HTTP against the real web process, as two roles: what one may do, the other is
refused. The borders of every value, some thousand requests an operation, are the same
for both and walked as one of them. What the permission matrix refuses a role, whatever
it asks, is refused before anything of the request is read: 20 examples must show that.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict

import requests
import schemathesis
from schemathesis.engine import events, from_schema

from service import assignments
from staff import tokens
from staff.models import OrgUnit
from tests.api.conftest import make_side
from tests.conftest import build_staff
from tests.test_permission_matrix import TABLE

EXAMPLES = 200
REFUSED_EXAMPLES = 20
# They hold what the platforms and people said: asked in full even where refused.
IN_FULL = ["listAccounts", "listInbox", "listOutbox"]
FUZZING = {"fuzzing": {"enabled": True}}
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

    refused = refused_to(role, web.url, token)
    answers = Counter()
    for names, phases in runs(web.url, refused, walks_borders):
        for statuses in run(web.url, token, names, phases).values():
            answers += statuses

    assert answers[200] > EXAMPLES, "the run hardly saw anything"
    assert answers[201], "no reply or order was ever accepted"


def operations(url):
    """(operation id, "METHOD /path/{parameter}") of everything the document names."""
    document = requests.get(f"{url}/api/v1/schema/?format=json", timeout=30).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "operationId" in operation:
                yield operation["operationId"], f"{method.upper()} {path}"


def refused_to(role, url, token):
    """What the permission matrix refuses to the role, and is refused here too.

    Some are refused there because of the row: these are allowed operations.
    """
    with TABLE.open(newline="") as file:
        rows = {
            plain(row["address"]) for row in csv.DictReader(file) if row[role] == "403"
        }
    asked = {
        name: address
        for name, address in operations(url)
        if plain(address) in rows and name not in IN_FULL
    }
    if not asked:
        return []
    found = run(url, token, list(asked), FUZZING, examples=REFUSED_EXAMPLES)
    return [
        name
        for name, address in asked.items()
        if found[address][403] and found[address].keys() <= {401, 403, 404}
    ]


def plain(address):
    """Without a slash at either end, or what a parameter is called."""
    method, _, path = address.partition(" ")
    return f"{method} {re.sub(r'<[^>]*>|{[^}]*}', '*', path).strip('/')}"


def runs(url, refused, walks_borders):
    """(operations, phases). Closing comes last: before it, answers to open
    conversations must be seen to work."""
    allowed = [name for name, _address in operations(url) if name not in refused]
    once = FUZZING | {"coverage": {"enabled": walks_borders}}
    yield [name for name in allowed if name != CLOSE], once
    yield [CLOSE], once
    yield allowed, CHAINS


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


def run(url, token, names, phases, examples=EXAMPLES):
    """Run these phases on the operations.

    Returns by "METHOD /path" how often each status was answered; chains have names of
    their own.
    """
    others = [name for name, _address in operations(url) if name not in names]
    config = schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"max-examples": examples, "database": "none"},
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
    failures, answers = [], defaultdict(Counter)
    for event in from_schema(schema.exclude(operation_id=others)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event.info))
        if isinstance(event, events.ScenarioFinished):
            statuses, broken = read(event)
            answers[event.label] += statuses
            failures += broken
    assert not failures, "\n\n".join(failures[:10])
    assert max(status for statuses in answers.values() for status in statuses) < 500
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
