"""The three forms of "may we write to her" say the same about everybody."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from crm import complaints, consent, permission
from crm.models import Member, Topic
from crm.models.consents import Channel
from staff.accounts import system_staff

NOW = timezone.now()


def build(world, draw: random.Random, topics: list[Topic]) -> Member:
    """Somebody who said some of what one can say, in any order."""
    member = Member.objects.create(controller=world.brand, display_name="甲")
    actor = system_staff("test")
    for number in range(draw.randrange(5)):
        told = {
            "actor": actor,
            "at": NOW - timedelta(days=draw.randrange(9), seconds=number),
            "key": f"{member.pk}:{number}",
            "source": "staff",
        }
        say = draw.choice((consent.grant, consent.withdraw, consent.withdraw))
        kind = draw.randrange(4)
        if kind == 0:
            say(member, **told)
        elif kind == 1:
            say(member, channel=draw.choice(("mass", "custom")), **told)
        elif kind == 2:
            say(member, purpose="topic", topic=draw.choice(topics), **told)
        else:
            say(member, purpose="personalisation", **told)
    if draw.random() < 0.2:
        complaints.begin(member, reason="态度差", actor=actor)
    member.refresh_from_db()
    return member


def in_sql(channel: str, topic: Topic, *, is_personal: bool) -> dict[int, str]:
    """What the pieces of SQL say of everybody, put together as audiences do."""
    values = permission.params(
        channel=channel, topic_id=topic.pk, is_personal=is_personal, at=NOW
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH people AS (SELECT * FROM crm_member),
            {permission.DECLINED.format(only="")}
            judged AS (
                SELECT people.id, CASE {permission.FROZEN}
                    WHEN people.opted_out_at IS NOT NULL THEN 'opted_out'
                    {permission.CHOSEN} ELSE '' END AS reason
                FROM people {permission.JOIN}
            ) SELECT id, reason FROM judged""",  # noqa: S608
            values,
        )
        return dict(cursor.fetchall())


def codes(people, channel, topic, *, is_personal):
    """The refusals (id → code), after the three forms were compared."""
    about = {"is_personal": is_personal, "at": NOW}
    one_by_one = {
        each.pk: permission.refusal(each, channel, topic, **about) for each in people
    }
    refusing = permission.refusing(channel, topic.pk, **about)
    found = set(Member.objects.filter(refusing).values_list("pk", flat=True))
    assert found == {pk for pk, code in one_by_one.items() if code}
    assert one_by_one == in_sql(channel, topic, is_personal=is_personal)
    return one_by_one


def test_one_by_one_as_a_condition_and_in_sql_are_the_same(world):
    draw = random.Random(4)
    topics = [Topic.objects.create(name=name) for name in ("甲", "乙")]
    people = [build(world, draw, topics) for _number in range(60)]
    seen = {False: set(), True: set()}
    for is_personal, found in seen.items():
        for channel, topic in itertools.product(("mass", "custom"), topics):
            found |= set(
                codes(people, channel, topic, is_personal=is_personal).values()
            )
    wanted = {"", "opted_out", "complaint", "channel_off", "topic_off"}
    assert seen == {False: wanted, True: wanted | {"no_personalisation"}}


def test_may_market_is_the_short_form(world):
    member = Member.objects.create(controller=world.brand, display_name="甲")
    assert consent.may_market(member, Channel.MASS)
    actor = system_staff("test")
    told = {"actor": actor, "at": NOW, "source": "staff"}
    consent.withdraw(member, key="1", channel=Channel.MASS, **told)
    assert not consent.may_market(member, Channel.MASS)
    assert consent.may_market(member, Channel.CUSTOM)
    topic = Topic.objects.create(name="新品")
    consent.withdraw(member, key="2", purpose="topic", topic=topic, **told)
    assert not consent.may_market(member, Channel.CUSTOM, topic)
