"""How many statements a callback of each kind costs, so that they don't creep up.

Figures are of one more event of a known person in a drain that runs already, with the two
of its transaction. Whoever adds a handler raises one here, knowingly.
"""

from __future__ import annotations

import itertools
import math
import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.service.world import LONG_DUE, Side, build_side, work
from wechat.models import InboundEvent

_numbers = itertools.count(1)
# All within one minute, which is how exactly the last visit of a member is kept.
SECOND = int(time.time()) // 60 * 60 - 60

TEXT = "<MsgType>text</MsgType><Content>{}</Content>"
EVENT = "<MsgType>event</MsgType><Event>{}</Event><EventKey>{}</EventKey>"
RULE, MISS, PERSON = (TEXT.format(said) for said in ("营业时间", "天书", "人工"))
FOLLOW, LEAVE = EVENT.format("subscribe", ""), EVENT.format("unsubscribe", "")
CLICK, VIEW = EVENT.format("CLICK", "menu_1"), EVENT.format("VIEW", "menu_1")
PLACE, NEW_KIND = EVENT.format("LOCATION", ""), EVENT.format("some_future", "")

# what: (what the person did before, what they do now, statements)
COSTS = {
    "a text that a rule answers": ([CLICK], RULE, 11),
    "a text that nothing answers": ([CLICK], MISS, 10),
    "a text in an open conversation": ([PERSON], RULE, 11),
    "a text that asks for a person": ([CLICK], PERSON, 15),
    "a follow": ([CLICK, LEAVE], FOLLOW, 13),
    "an unfollow": ([FOLLOW], LEAVE, 14),
    "an unfollow with a conversation": ([FOLLOW, PERSON], LEAVE, 17),
    "a menu tap": ([CLICK], CLICK, 7),
    "a menu link": ([CLICK], VIEW, 6),
    "a place": ([CLICK], PLACE, 5),
    "a kind nobody knows": ([CLICK], NEW_KIND, 4),
}


def push(side: Side, openid: str, body: str, second: int) -> None:
    number = next(_numbers)
    what = "message.text" if "text" in body else body.split("<Event>")[1].split("<")[0]
    kind = what if "." in what else f"event.{what.lower()}"
    InboundEvent.objects.create(
        app=side.app,
        dedupe_key=f"cost:{number}",
        kind=f"mp.{kind}",
        subject=openid,
        body=(
            f"<xml><FromUserName>{openid}</FromUserName><CreateTime>"
            f"{SECOND + second}</CreateTime>{body}<MsgId>{number}</MsgId></xml>"
        ).encode(),
        next_at=LONG_DUE,
    )


def statements(side: Side, people: list[str], body: str, second: int) -> int:
    for openid in people:
        push(side, openid, body, second)
    with CaptureQueriesContext(connection) as found:
        work()
    return len(found)


def test_a_callback_costs_no_more_statements_than_known(transactional_db: None) -> None:
    side = build_side("cost")
    side.rule("营业", "十点到二十二点")
    statements(side, ["oFirst"], PERSON, 0)  # makes the automatic writers
    found = {}
    for what, (before, now, _limit) in COSTS.items():
        people = [f"oCost{next(_numbers)}" for _ in range(5)]
        for second, body in enumerate(before):
            statements(side, people, body, second)
        # What a drain reads but once is read by both, and so falls out.
        few = statements(side, people[:1], now, 30)
        many = statements(side, people[1:], now, 30)
        found[what] = math.ceil((many - few) / 3)  # now and then one is spared
    assert found == {what: limit for what, (_before, _now, limit) in COSTS.items()}
