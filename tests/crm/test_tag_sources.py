"""Where the rules of tags get their facts: clicks, orders, places, hours, queues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import LinkClick, Recipient, TrackedLink
from content.models import Item
from crm import matching, merging, nearby, purging, tag_hygiene, taxonomy
from crm.auto_tags import run_all
from crm.models import Member, Nearby, Preference, Tag
from service.models import Conversation, Queue
from staff.accounts import system_staff
from staff.models import OrgUnit
from tests.api.conftest import client_of, make_side
from tests.conftest import build_staff
from tests.crm.test_auto_tags import NOW, World, tags_of

JINGAN = {"latitude": "31.224000", "longitude": "121.445300"}


@pytest.fixture
def shop(db):
    taxonomy.load_builtin()
    return World(OrgUnit.objects.create(name="林间", kind="brand"))


def settled():
    """A second night writes nothing."""
    return run_all(now=NOW) == {"put": 0, "taken": 0}


def test_who_opens_links_is_interested_in_what_they_are_about(shop):
    side = make_side("side", shop.brand)

    def link_about(**facts):
        touch = side.touch()
        Item.objects.filter(pk=touch.version.item_id).update(**facts)
        return TrackedLink.objects.create(
            touch=touch, number=1, url="https://a.example/"
        )

    def opens(member, link, days=1, times=1):
        person, _made = Recipient.objects.get_or_create(
            touch=link.touch, member=member, defaults={"address": f"a{member.pk}"}
        )
        for _n in range(times):
            at = NOW - timedelta(days=days)
            LinkClick.objects.create(link=link, recipient=person, at=at)

    new = link_about(subject="new", category="own-skin")
    guides = [link_about(subject="how_to") for _n in range(2)]
    story = link_about(subject="origin")
    curious, learner, passing, buyer = [shop.member() for _n in range(4)]
    shop.order(shop.member())  # the category is one that is sold
    opens(curious, new, days=1)
    opens(curious, new, days=2)
    for guide in guides:
        opens(learner, guide)
    opens(learner, story, times=3)
    opens(passing, guides[0], times=2)
    opens(passing, new, days=100)
    shop.order(buyer)
    opens(buyer, new, times=2)
    LinkClick.objects.create(link=story, at=NOW)  # whose, nobody knows

    run_all(now=NOW)

    assert tags_of(curious, "interest") == {"兴趣·新品", "兴趣·护肤"}
    assert tags_of(learner, "interest") == {"兴趣·教程"}
    assert tags_of(passing, "interest") == set()
    assert tags_of(buyer, "interest") == {"兴趣·新品", "兴趣·护肤"}
    assert settled()


def test_orders_say_who_waits_for_a_presale_and_for_after_sales(shop):
    reserved, deposit, paid, late, back, done = [shop.member() for _n in range(6)]
    shop.order(reserved, state="pending", presale="reserved")
    shop.order(deposit, state="pending", presale="deposit")
    shop.order(paid, presale="deposit", after_sales="closed")
    shop.order(late, days=91, state="pending", presale="reserved")
    shop.order(back, after_sales="open")
    shop.order(done, after_sales="closed")

    run_all(now=NOW)

    assert tags_of(reserved, "campaign") == {"预约未付"}
    assert tags_of(deposit, "campaign") == {"预售已付定金"}
    for other in (paid, late):
        assert tags_of(other, "campaign") == set()
    assert tags_of(back, "service") == {"售后中"}
    assert tags_of(done, "service") == tags_of(paid, "service") == set()
    assert settled()
    back.orders.update(after_sales="closed")
    assert run_all(now=NOW)["taken"] == 1


def test_an_open_conversation_in_an_after_sales_queue_is_after_sales_too(shop):
    side = make_side("side", shop.brand)
    asks, over, chats = [side.member() for _n in range(3)]
    queue = Queue.objects.create(
        name="售后", account=side.account, is_default=False, is_after_sales=True
    )
    side.conversation(asks, queue=queue)
    side.conversation(over, queue=queue, state="closed")
    side.conversation(chats)

    run_all(now=NOW)

    assert tags_of(asks, "service") == {"售后中"}
    assert tags_of(over, "service") == tags_of(chats, "service") == set()
    Conversation.objects.update(state="closed")
    run_all(now=NOW)
    assert tags_of(asks, "service") == set()


def test_a_coupon_that_runs_out_unused_is_told_by_the_shop(shop):
    side = make_side("side", shop.brand)
    seller = client_of(build_staff("ops_manager", org_unit=shop.brand))
    holds, used, later, over = [side.member() for _n in range(4)]

    def tell(code, days=2, **fields):
        body = {"shop": "mini", "code": code, "expires_at": NOW + timedelta(days=days)}
        answer = seller.post("/api/v1/coupons", body | fields, format="json")
        assert answer.status_code == 201, answer.json()
        return answer.json()

    def buyer(member):
        return {"unionid": member.identities.get(kind="unionid").value}

    first = tell("C1", buyer=buyer(holds))
    assert tell("C1", buyer=buyer(holds)) == first
    tell("C2", buyer=buyer(used))
    tell("C2", buyer=buyer(used), state="used")
    tell("C3", days=4, buyer=buyer(later))
    tell("C4", days=-1, buyer=buyer(over))
    assert tell("C5", buyer={"buyer": "mini:9"})["member"] is None
    body = {"shop": "mini", "code": "C6", "expires_at": "tomorrow", "buyer": {}}
    assert seller.post("/api/v1/coupons", body, format="json").status_code == 400

    run_all(now=NOW)
    assert tags_of(holds, "campaign") == {"领券未核销"}
    for other in (used, later, over):
        assert tags_of(other, "campaign") == set()
    matching.bind_buyer(shop.brand, "mini:9", later, actor=seller.person)
    run_all(now=NOW)
    assert tags_of(later, "campaign") == {"领券未核销"}
    assert settled()
    dealer = OrgUnit.objects.create(
        name="经销商", kind="dealer", parent=shop.brand, is_separate_controller=True
    )
    other = client_of(build_staff("dealer", org_unit=dealer))
    assert other.get("/api/v1/coupons").json()["results"] == []
    assert len(seller.get("/api/v1/coupons", {"state": "used"}).json()["results"]) == 1


def test_hours_of_rest_are_a_tag(shop):
    rests, other = shop.member(), shop.member()
    Preference.objects.create(member=rests, quiet_from="21:00", quiet_until="09:00")
    Preference.objects.create(member=other, max_per_week=2)
    run_all(now=NOW)
    assert tags_of(rests, "contact") == {"勿扰时段偏好"}
    assert tags_of(other, "contact") == set()
    assert settled()


def test_who_shares_a_place_near_a_store_is_known_to_be_near(world, deliver):
    taxonomy.load_builtin()
    OrgUnit.objects.filter(pk=world.store.pk).update(**JINGAN)
    far_away = OrgUnit.objects.create(
        name="湖滨店",
        kind="store",
        parent=world.brand,
        **JINGAN | {"latitude": "30.25"},
    )
    start = timezone.now() - timedelta(days=2)

    def shares(openid, latitude, longitude="121.4453", minutes=0, **names):
        at = start + timedelta(minutes=minutes)
        fields = {"Latitude": latitude, "Longitude": longitude, "Precision": "65"}
        deliver(world.service, "mp.event.location", openid, at=at, **fields | names)

    def near(openid):
        rows = Nearby.objects.filter(member__identities__value=openid)
        return rows.values_list("store__name", flat=True).first()

    shares("o1", "31.2489")  # 2.8 km north
    shares("o2", "31.2520")  # 3.1 km
    shares("o3", "nan")
    shares("o4", "91")
    deliver(
        world.service,
        *("mp.message.location", "o5"),
        at=start,
        Location_X="31.2241",
        Location_Y="121.4453",
        Label="静安寺",
    )
    assert [near(f"o{n}") for n in range(1, 6)] == [
        "静安寺店",
        None,
        None,
        None,
        "静安寺店",
    ]
    for table in (Member, Nearby):
        assert "31.2" not in repr(list(table.objects.values()))

    run_all(now=timezone.now())
    one = Member.objects.get(identities__value="o1")
    assert tags_of(one, "place") == {"门店3公里"}
    assert tags_of(Member.objects.get(identities__value="o2"), "place") == set()

    shares("o1", "30.2500", minutes=-5)  # older: changes nothing
    assert near("o1") == "静安寺店"
    shares("o1", "30.2500", minutes=5)
    assert near("o1") == far_away.name
    shares("o1", "29.0", minutes=9)
    assert near("o1") is None
    run_all(now=timezone.now())
    assert tags_of(one, "place") == set()
    Member.objects.filter(identities__value="o2").update(no_personalisation=True)
    shares("o2", "31.2240", minutes=9)
    assert near("o2") is None

    # What was shared last holds for one person; taken back or purged, nothing is left.
    kept, gone = one, Member.objects.get(identities__value="o5")
    merging.merge(kept, gone, actor=system_staff("test"))
    assert Nearby.objects.get().member == kept
    deliver(
        world.service, "mp.event.user_authorization_revoke", "o1", OpenID="o1", at=start
    )
    assert not Nearby.objects.exists()
    place = nearby.read("31.2240", "121.4453")
    nearby.note(kept, place, at=timezone.now())
    Member.objects.filter(pk=kept.pk).update(purge_due_at=timezone.now())
    assert purging.purge(kept.pk, actor=system_staff("test"))
    assert not Nearby.objects.exists()


def test_the_pattern_of_the_tags_of_categories_is_not_called_unused(shop):
    shop.order(shop.member())
    run_all(now=NOW)
    found = tag_hygiene.look(build_staff("ops_manager", org_unit=shop.brand))
    assert "兴趣·品类A" not in {line.tag.name for line in found.unused}
    own = Tag.objects.get(name="兴趣·护肤")
    assert "点击" in own.rule
