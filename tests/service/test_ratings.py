"""Customers are asked once how content they were; what they say counts where it should."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.models import SystemSetting
from crm import auto_tags, complaints, purging
from crm.models import Event, Member, Preference
from reports import rollups, series
from service import closing, rating_links, rating_views
from service.models import Conversation, Praise, Rating
from service.wording import RATING_DAYS, RATING_TEXT
from staff.accounts import system_staff
from tests.conftest import build_staff
from tests.service.test_workspace import browser_of, desk_of, do
from tests.service.world import Side, build_side
from wechat.models import OutboundMessage, ReplyWindow
from wechat.registry import tell_outcome, text_of, veto_for


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def agent(brand: Side) -> Any:
    brand.queue.asks_rating = True
    brand.queue.save()
    return brand.agent(display_name="周敏")


def served(side: Side, agent: Any, **fields: Any) -> Conversation:
    """A conversation the agent has and has answered in."""
    fields.setdefault("first_response_at", timezone.now())
    return side.conversation(state="open", assignee=agent, **fields)


def closed(side: Side, agent: Any, **fields: Any) -> Conversation:
    conversation = served(side, agent, **fields)
    return closing.close(conversation, actor=agent)


def asked(conversation: Conversation) -> list[OutboundMessage]:
    rows = OutboundMessage.objects.filter(purpose="rating.ask")
    return list(rows.filter(reference=str(conversation.pk)))


def path_of(conversation: Conversation) -> str:
    return urlsplit(rating_links.address_of(conversation.pk)).path


def rate(conversation: Conversation, **sent: Any) -> Any:
    return Client(enforce_csrf_checks=True).post(path_of(conversation), sent)


def words(page: Any) -> str:
    return page.content.decode()


def test_a_customer_who_got_an_answer_is_asked_once_and_rates_without_a_log_in(
    brand: Side, agent: Any
) -> None:
    conversation = brand.conversation()
    do(agent, conversation, "claim")
    do(agent, conversation, "reply", text="您好", client_key="k")
    do(agent, conversation, "close", reason="resolved")
    (message,) = asked(conversation)
    assert (message.recipient, message.kind) == (conversation.recipient, "text")
    link = re.search(r"https?://\S+/r/\S+", text_of(message))
    assert link
    assert conversation.recipient not in link[0]
    assert message.expires_at < timezone.now() + timedelta(hours=2)

    browser, path = Client(enforce_csrf_checks=True), urlsplit(link[0]).path
    page = browser.get(path, headers={"accept-language": "en"})
    for promised in ("您对本次服务满意吗", "非常满意", brand.account.name):
        assert promised in words(page)
    assert conversation.member.display_name not in words(page)
    assert "<script" not in words(page)
    assert page["X-Robots-Tag"].startswith("noindex")
    assert not page.cookies
    assert not Rating.objects.exists(), "reading rates nothing"
    answer = browser.post(path, {"score": "5", "words": " 很快\r\n很好 ", "seen": "0"})
    assert answer.status_code == 302
    assert "感谢您的评价" in words(browser.get(answer["Location"]))
    rating = Rating.objects.get()
    assert (rating.conversation, rating.agent) == (conversation, agent)
    assert (rating.score, rating.words) == (5, "很快 很好")

    line = Event.objects.get(kind="conversation.rated")
    assert (line.member, line.data["score"]) == (conversation.member, 5)
    for shown in (
        desk_of(agent, conversation),
        browser_of(agent).get(
            reverse("admin:crm_member_change", args=[conversation.member_id])
        ),
    ):
        assert "5 分 · 非常满意" in words(shown)
        assert "很快 很好" in words(shown)
    assert "评价邀请" in words(desk_of(agent, conversation))
    outbox = reverse("admin:wechat_outboundmessage_change", args=[message.pk])
    manager = browser_of(brand.agent("ops_manager"))
    for shown in (desk_of(agent, conversation), manager.get(outbox)):
        assert "{评价链接}" in words(shown), "only the customer gets the link"
        assert "/r/" not in words(shown)


def test_nobody_is_asked_who_should_not_be(brand: Side, agent: Any) -> None:
    def close(conversation: Conversation, reason: str = "resolved") -> None:
        conversation.member.save()
        closing.close(conversation, reason=reason, actor=agent)

    unanswered = served(brand, agent, first_response_at=None)
    close(unanswered)
    spam = served(brand, agent)
    close(spam, "other")
    out = served(brand, agent)
    out.member.opted_out_at = timezone.now()
    close(out)
    angry = served(brand, agent)
    complaints.begin(angry.member, reason="发错货", actor=agent)
    angry.refresh_from_db()
    close(angry)
    gone = served(brand, agent)
    gone.member.is_reachable = False
    close(gone)
    late = served(brand, agent, window=False)
    close(late)
    used_up = served(brand, agent)
    ReplyWindow.objects.filter(recipient=used_up.recipient).update(used=5)
    close(used_up)
    resting = served(brand, agent)
    now = timezone.localtime()
    begin, end = (
        (now + timedelta(hours=n)).time().replace(microsecond=0) for n in (-1, 1)
    )
    Preference.objects.create(member=resting.member, quiet_from=begin, quiet_until=end)
    close(resting)
    by_itself = served(brand, agent)
    closing.close(by_itself, actor=system_staff("test"))
    silent = served(brand, agent)
    SystemSetting.objects.create(key=RATING_TEXT, value="")
    close(silent)
    SystemSetting.objects.all().delete()
    quiet = served(brand, agent)
    brand.queue.asks_rating = False
    brand.queue.save()
    close(quiet)
    for name, conversation in locals().items():
        if isinstance(conversation, Conversation):
            assert asked(conversation) == [], name


def test_who_opts_out_before_it_is_sent_does_not_get_the_question(
    brand: Side, agent: Any
) -> None:
    conversation = closed(brand, agent)
    (message,) = asked(conversation)
    assert veto_for(message) is None
    Member.objects.update(opted_out_at=timezone.now())
    veto = veto_for(message)
    assert veto is not None
    assert veto.code == "opted_out"


def test_a_rating_can_be_changed_for_a_day_and_then_stands(
    brand: Side, agent: Any
) -> None:
    conversation = closed(brand, agent)
    for _twice in range(2):  # a double tap is one rating
        assert rate(conversation, score="4", words="好", seen="0").status_code == 302
    assert Event.objects.filter(kind="conversation.rated").count() == 1
    other = rate(conversation, score="1", seen="0")
    assert other.status_code == 409
    assert "已从另一个页面提交" in words(other)
    assert Rating.objects.get().score == 4
    assert 'name="seen" value="1"' in words(other)
    assert rate(conversation, score="2", words="好", seen="1").status_code == 302
    rating = Rating.objects.get()
    assert (rating.score, rating.revision) == (2, 2)
    Rating.objects.update(at=timezone.now() - timedelta(hours=24))
    refused = rate(conversation, score="5", seen="2")
    assert refused.status_code == 409
    assert "现在不能再修改" in words(refused)
    assert "<form" not in words(Client().get(path_of(conversation)))
    assert Rating.objects.get().score == 2


def test_wrong_input_is_refused_in_words_and_nothing_is_lost(
    brand: Side, agent: Any
) -> None:
    conversation = closed(brand, agent)
    for score in ("", "0", "6", "五", "1e0", "5\x00"):
        page = rate(conversation, score=score, words="写了很久")
        assert page.status_code == 400, score
        assert "请先选择" in words(page)
        assert "写了很久" in words(page)
    page = rate(conversation, score="3", words="长" * 501)
    assert (page.status_code, "最多 500 个字" in words(page)) == (400, True)
    assert 'value="3" required checked' in words(page)
    rate(conversation, score="3", words="<b>\x00</b>", seen="-1")
    assert "<b>" not in words(Client().get(path_of(conversation)))
    assert Rating.objects.get().words == "<b> </b>"


def test_only_our_own_fresh_links_open_and_few_wrong_ones_are_tried(
    brand: Side, agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = closed(brand, agent)
    path = path_of(conversation)
    for wrong in (path + "x", path.replace("/r/", "/p/"), "/r/x", "/r/评价", "/r/---"):
        assert Client().get(wrong).status_code == 404, wrong
    SystemSetting.objects.create(key=RATING_DAYS, value=-1)
    over = Client().get(path_of(conversation))
    assert (over.status_code, "评价时间已过" in words(over)) == (410, True)
    monkeypatch.setattr(rating_views, "WRONG_PER_ADDRESS", 5)
    answers = {Client().get("/r/a-b-c").status_code for _n in range(12)}
    assert 429 in answers
    assert Client().get(path).status_code == 200
    Member.objects.update(purged_at=timezone.now())
    assert Client().get(path, REMOTE_ADDR="198.51.100.9").status_code == 404


def test_of_two_ratings_at_once_one_stands_and_the_other_is_told(
    transactional_db: None,
) -> None:
    side = build_side("rush")
    conversation = side.conversation(
        state="closed", assignee=side.agent(), closed_at=timezone.now()
    )
    path, gate = path_of(conversation), threading.Barrier(2)

    def send(score: int) -> int:
        try:
            gate.wait(30)
            return Client().post(path, {"score": score, "seen": "0"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(send, (5, 1)))
    assert sorted(answers) == [302, 409]
    assert Rating.objects.get().score == (5, 1)[answers.index(302)]
    assert Event.objects.filter(kind="conversation.rated").count() == 1


def test_praise_is_noted_once_by_who_served(brand: Side, agent: Any) -> None:
    conversation = served(brand, agent)
    stranger = brand.agent()
    refused = do(stranger, conversation, "praise", words="夸了")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_holder")
    assert do(agent, conversation, "praise", words=" ").json()["code"] == "no_words"
    for said in ("夸了三遍", "又夸一遍"):  # the first stands
        assert do(agent, conversation, "praise", words=said).status_code == 200
    assert Praise.objects.get().words == "夸了三遍"
    assert "夸了三遍" in words(desk_of(agent, conversation))
    waiting = brand.conversation()
    assert do(agent, waiting, "praise", words="夸了").status_code == 409


def test_the_tags_follow_ratings_and_praise_for_thirty_days(
    brand: Side, agent: Any
) -> None:
    call_command("sync_builtin_data", verbosity=0)
    people = {}
    for name, score in (("fan", 5), ("calm", 4), ("cross", 2), ("furious", 1)):
        conversation = closed(brand, agent)
        rate(conversation, score=score, seen="0")
        people[name] = conversation.member
    praising = served(brand, agent)
    do(agent, praising, "praise", words="态度好")
    people["praising"] = praising.member

    def tags(name: str) -> set[str]:
        held = people[name].member_tags.filter(tag__group__code="service")
        return set(held.values_list("tag__name", flat=True)) - {"已解决待回访"}

    auto_tags.run_all()
    for name, expected in (
        ("fan", {"好评用户"}),
        ("praising", {"好评用户"}),
        ("cross", {"差评用户"}),
        ("furious", {"差评用户"}),
        ("calm", set()),
    ):
        assert tags(name) == expected, name
    assert auto_tags.run_all() == {"put": 0, "taken": 0}
    hygiene = browser_of(brand.agent("ops_manager")).get(
        reverse("admin:crm_tag_hygiene")
    )
    assert "数据来源" not in words(hygiene)
    auto_tags.run_all(now=timezone.now() + timedelta(days=31))
    assert [name for name in people if tags(name)] == []


def test_service_value_uses_the_rating_on_the_day_of_the_conversation(
    brand: Side, agent: Any
) -> None:
    today = timezone.localdate()
    owner = build_staff("administrator")

    def value() -> Decimal:
        rollups.catch_up()
        return series.by_day(owner, "C10", today, today)[today]

    conversation = closed(brand, agent)
    closed(brand, agent)
    assert value() == 2 * Decimal("0.8")
    rate(conversation, score="5", seen="0")
    assert value() == 1 + Decimal("0.8")
    rate(conversation, score="1", seen="1")
    assert value() == Decimal("0.2") + Decimal("0.8")
    assert value() == 1, "counting again changes nothing"
    (part,) = series.by_account(owner, "C10", today, today)
    assert part.counts == {"resolved": 2, "rated": 1, "stars": 1}
    assert part.mean_rating == 1


def test_supervisors_read_the_ratings_of_their_own(
    brand: Side, dealer: Side, agent: Any
) -> None:
    for side, server, score in ((brand, agent, 5), (dealer, dealer.agent(), 1)):
        side.queue.asks_rating = True
        side.queue.save()
        rate(closed(side, server), score=score, words=f"{side.name}的话", seen="0")
    address = reverse("admin:service_rating_changelist")
    chief = browser_of(brand.agent("supervisor"))
    page = words(chief.get(address))
    assert f"{brand.name}的话" in page
    assert f"{dealer.name}的话" not in page
    for query, found in (
        ({"score__exact": 5, "agent__id__exact": agent.pk}, True),
        ({"score__exact": 1}, False),
        ({"at__gte": timezone.now() + timedelta(days=1)}, False),
    ):
        page = words(chief.get(address, query))
        assert (f"{brand.name}的话" in page) is found, query
    assert browser_of(agent).get(address).status_code == 403


def test_the_newest_rating_stands_first_whenever_it_was_kept(
    brand: Side, agent: Any
) -> None:
    for words_said, days in (("刚才的话", 0), ("上周的话", 7)):
        brand.queue.asks_rating = True
        brand.queue.save()
        rate(closed(brand, agent), score=5, words=words_said, seen="0")
        Rating.objects.filter(words=words_said).update(
            at=timezone.now() - timedelta(days=days)
        )
    chief = browser_of(brand.agent("supervisor"))
    page = words(chief.get(reverse("admin:service_rating_changelist")))
    assert page.index("刚才的话") < page.index("上周的话")


def test_a_purge_leaves_the_score_and_no_word(brand: Side, agent: Any) -> None:
    conversation = closed(brand, agent)
    do(agent, conversation, "praise", words="夸了")
    rate(conversation, score="5", words="我是林小满", seen="0")
    Member.objects.update(purge_due_at=timezone.now())
    assert purging.purge(conversation.member_id, actor=system_staff("test"))
    rating, praise = Rating.objects.get(), Praise.objects.get()
    assert (rating.score, rating.words, praise.words) == (5, "", "")


def test_the_list_says_how_many_of_those_asked_rated(brand: Side, agent: Any) -> None:
    conversation = closed(brand, agent)
    (message,) = asked(conversation)
    manager = browser_of(brand.agent("supervisor"))
    here = reverse("admin:service_rating_changelist")
    assert "邀请评价 0 次" in words(manager.get(here)), "what was not sent asked nobody"
    message.state = OutboundMessage.State.SENT
    tell_outcome(message)
    assert "邀请评价 1 次，其中 0 次得到评价" in words(manager.get(here))
    rate(conversation, score="4")
    page = words(manager.get(here))
    assert "其中 1 次得到评价" in page
    assert "不足 30 次" in page
    assert "平均 4.0 分" in page
    later = timezone.now()
    Conversation.objects.bulk_create(
        Conversation(
            member=conversation.member,
            app=conversation.app,
            queue=conversation.queue,
            state="closed",
            rating_asked_at=later,
        )
        for _number in range(39)
    )
    assert "评价率 2 %" in words(manager.get(here))
    foreign = browser_of(build_side("别家").agent("supervisor"))
    assert "邀请评价 0 次" in words(foreign.get(here))
