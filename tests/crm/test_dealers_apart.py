"""Dealer A never meets a member of dealer B: on no page, by no search, in no count."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.urls import reverse

from crm import members, phones
from crm.models import Identity, Member, Order
from crm.naming import tokens as tokens_of
from staff import tokens
from tests.core.worlds import World
from tests.test_permission_matrix import _addresses, _method, _path

MINE, THEIRS = "AlphaDealer", "ZuluDealer"
PHONE = "13812345678"
# Routes that tell of members; the admin's own are walked by tests/core/leaks.py.
TELLING = re.compile(
    r"^(admin/(crm/|search|campaigns/touch/)|api/v1/(members|segments|orders|products))"
)
LEFT_OUT = re.compile(r"/(add|delete|history)/$|<path:object_id>/$")
# What differs from one answer to the next whatever the data.
PASSING = re.compile(
    r'csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"|data-(csrf|live)[^ >]*'
    r'|name="key" value="[^"]*"'
    r"|X-CSRFToken[^,}]*|\d\d:\d\d(:\d\d)?|(刚刚|\d+ ?(秒|分钟)前)"
)


def addresses():
    return [
        each
        for each in _addresses()
        if TELLING.search(each.route)
        and not LEFT_OUT.search(each.route)
        and _method(each) == "GET"
    ]


def look(world, rows_of):
    """Route → (status, text) of every telling page, for the one who may do everything."""
    client = Client(raise_request_exception=False)
    client.force_login(world.viewer)
    token = tokens.issue(world.viewer, name=rows_of.mark, actor=world.viewer)
    found = {}
    paths = {each.route: _path(each, rows_of) for each in addresses()}  # makes the rows
    for address in addresses():
        is_api = address.route.startswith("api/")
        extra = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if is_api else {}
        with transaction.atomic():
            response = client.get(paths[address.route], **extra)
            transaction.set_rollback(True)
        text = b"".join(response) if response.streaming else response.content
        found[address.route] = response.status_code, text.decode(errors="replace")
    return found


def fill(world, order_code):
    """A member everybody would like to find, with everything that points at one."""
    member = world.row(Member)
    phones.fill(member, PHONE)
    member.name_tokens = tokens_of(member.display_name)
    member.save()
    Identity.objects.create(
        member=member, controller=world.root, kind="unionid", value="union-of-both"
    )
    Order.objects.create(
        controller=world.root,
        org_unit=member.org_unit,
        member=member,
        shop="s",
        code=order_code,
        buyer=f"{world.mark}buyer",
        amount=Decimal("99.00"),
    )
    for label in (
        *("crm.Segment", "crm.SegmentMember", "crm.MemberTag", "crm.Relation"),
        *("crm.MatchReview", "crm.Merge", "crm.Note", "crm.ConsentEntry"),
        *("campaigns.Recipient", "service.Message", "crm.StageChange"),
    ):
        world.row(apps.get_model(label))
    return member


@pytest.fixture
def worlds(db):
    return World(MINE), World(THEIRS)


def test_no_page_changes_when_another_dealer_gets_members(worlds):
    mine, theirs = worlds
    fill(mine, "A-1")
    before = look(mine, mine)
    fill(theirs, "Z-1")
    after = look(mine, mine)
    assert len(after) > 20
    shown = [route for route, (_status, text) in after.items() if THEIRS in text]
    assert shown == []
    changed = [
        route
        for route, (status, text) in after.items()
        if (status, PASSING.sub("", text))
        != (before[route][0], PASSING.sub("", before[route][1]))
    ]
    assert changed == []


def test_no_address_answers_for_a_row_of_another_dealer(worlds):
    mine, theirs = worlds
    fill(theirs, "Z-1")
    found = look(mine, theirs)
    shown = [route for route, (_status, text) in found.items() if THEIRS in text]
    assert shown == []
    with_row = [each.route for each in addresses() if "<" in each.route]
    answered = {route: found[route][0] for route in with_row}
    assert set(answered.values()) <= {400, 403, 404, 405}, answered


def test_nothing_of_another_dealer_is_found_by_searching(worlds):
    mine, theirs = worlds
    member = fill(theirs, "Z-1")
    client = Client()
    client.force_login(mine.viewer)
    for text in (PHONE, PHONE[-4:], "union-of-both", "Z-1", THEIRS):
        assert not members.look_up(mine.viewer, text, 10), text
        if len(text) > 3:
            assert member in members.look_up(theirs.viewer, text, 10), text
        for name in ("crm_member", "crm_order", "crm_merge", "crm_matchreview"):
            listed = client.get(reverse(f"admin:{name}_changelist"), {"q": text})
            assert THEIRS not in listed.content.decode().replace(text, ""), name
