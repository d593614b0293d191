"""Writing, reviewing and putting away, as people do it on the pages."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from content import items, registry, review, slots
from content.models import Item, Picture, Version
from core.models import AuditEntry
from crm.models import Category
from staff.models import Approval
from tests.content.world import TEXT, later, newest, png

LIST = reverse("admin:content_item_changelist")
ADD = reverse("admin:content_item_add")


def page(item, verb="change"):
    return reverse(f"admin:content_item_{verb}", args=[item.pk])


def told(response):
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def form(newsroom):
    def fields(**given):
        return {
            "title": "会员日",
            "org_unit": newsroom.brand.pk,
            "owner": newsroom.writer.pk,
            "rights": "own",
            "body": TEXT,
            **given,
        }

    return fields


@pytest.fixture
def writer(client, newsroom):
    client.force_login(newsroom.writer)
    return client


def test_a_text_is_written_submitted_and_approved_by_another_person(
    client, newsroom, form
):
    client.force_login(newsroom.writer)
    client.post(ADD, form(then="submit"))
    item = Item.objects.get()
    assert (item.state, newest(item).state) == ("in_review", "in_review")

    assert client.post(page(item, "approve")).status_code == 403
    client.force_login(newsroom.manager)
    shown = client.get(page(item)).content.decode()
    assert "您的审核" in shown
    done = client.post(page(item, "approve"), {"version": 1}, follow=True)

    item.refresh_from_db()
    assert told(done) == ["已通过。"]
    assert (item.state, newest(item).approved_by) == ("approved", newsroom.manager)
    assert Approval.objects.get().digest == newest(item).digest
    actions = AuditEntry.objects.filter(action__startswith="content.")
    assert [entry.action for entry in actions.order_by("id")] == [
        "content.item.created",
        "content.version.submitted",
        "content.version.approved",
    ]


def test_who_wrote_a_word_of_it_may_not_approve_it(client, newsroom, form):
    item = newsroom.item()
    items.edit(item, content={"body": TEXT + "!"}, actor=newsroom.manager)
    review.submit(newest(item), actor=newsroom.writer)
    client.force_login(newsroom.manager)

    assert "须由另一人审核" in client.get(page(item)).content.decode()
    done = client.post(page(item, "approve"), follow=True)

    assert told(done) == ["这个版本是您自己写的，须由另一人审核。"]
    version = newest(item)
    assert version.state == "in_review"
    with pytest.raises(IntegrityError, match="author"), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(
            state="approved",
            approved_by=newsroom.manager,
            approved_at=timezone.now(),
        )


def test_words_that_were_returned_keep_their_authors_in_the_next_version(newsroom):
    item = newsroom.item()
    items.edit(item, content={"body": "经理写的"}, actor=newsroom.manager)
    version = review.submit(newest(item), actor=newsroom.writer)
    review.withdraw(version, actor=newsroom.writer)
    again = review.submit(newest(item), actor=newsroom.writer)
    with pytest.raises(review.OwnWords):
        review.approve(again, actor=newsroom.manager)


def test_a_returned_version_shows_the_comment_and_a_change_makes_a_new_one(
    client, newsroom, form
):
    version = newsroom.submitted()
    client.force_login(newsroom.manager)
    refused = client.post(page(version.item, "return"), {"comment": " "}, follow=True)
    assert told(refused) == ["请写明需要修改什么。"]
    client.post(page(version.item, "return"), {"comment": "去掉“最低价”\0"})

    client.force_login(newsroom.writer)
    assert "去掉“最低价”" in client.get(page(version.item)).content.decode()
    client.post(page(version.item), form(body="会员日见", then="submit"))

    kept, new = version.item.versions.order_by("number")
    assert (kept.state, kept.body) == ("returned", TEXT)
    assert (new.number, new.state, new.body) == (2, "in_review", "会员日见")


def test_what_was_submitted_is_fixed_in_the_database(newsroom):
    version = newsroom.submitted()
    changes = {"body": "x"}, {"digest": "x"}, {"author_ids": []}, {"state": "draft"}
    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            Version.objects.filter(pk=version.pk).update(**change)
    with pytest.raises(IntegrityError, match="draft"), transaction.atomic():
        version.delete()


def test_an_edit_after_approval_keeps_the_approved_words_for_what_is_planned(
    writer, newsroom, form
):
    version = newsroom.approved()
    slot = slots.schedule(version, newsroom.account, later(), actor=newsroom.writer)
    writer.post(page(version.item), form(body="改过的话", seen=version.digest))

    version.item.refresh_from_db()
    slot.refresh_from_db()
    assert version.item.state == "draft"
    assert (slot.version_id, slot.version.body) == (version.pk, TEXT)
    assert newest(version.item).body == "改过的话"


def test_words_too_long_for_the_platform_are_refused_and_not_lost(writer, form):
    long = "好" * 700
    answer = writer.post(ADD, form(body=long))
    shown = answer.content.decode()
    assert answer.status_code == 400
    assert "2048" in shown
    assert "2100" in shown
    assert long in shown
    assert not Item.objects.exists()


def test_two_writers_on_one_draft_the_second_keeps_their_words_and_is_told(
    writer, newsroom, form
):
    item = newsroom.item()
    seen = newest(item).digest
    items.edit(item, content={"body": "同事的话"}, actor=newsroom.manager)

    answer = writer.post(page(item), form(body="我的话", seen=seen))
    assert answer.status_code == 409
    assert "我的话" in answer.content.decode()
    assert newest(item).body == "同事的话"

    again = answer.context["form"]["seen"].value()
    writer.post(page(item), form(body="我的话", seen=again))
    assert newest(item).body == "我的话"


def test_an_article_needs_headline_and_cover_before_it_is_read(writer, form):
    address = f"{ADD}?kind=article"
    fields = {"headline": "", "byline": "", "summary": "", "source_url": ""}
    done = writer.post(address, form(then="submit", **fields), follow=True)
    assert "请选择封面。" in told(done)[0]
    assert "请填写文章标题。" in told(done)[0]
    item = Item.objects.get()
    fields |= {"headline": "冬天", "source_url": "javascript:alert(1)"}
    assert writer.post(page(item), form(**fields)).status_code == 400

    fields["source_url"] = "https://shop.example/"
    cover = SimpleUploadedFile("cover.png", png(), "image/png")
    writer.post(page(item), form(picture=cover, then="submit", **fields))
    assert newest(item).state == "in_review"
    picture = writer.get(
        reverse("admin:content_picture", args=[newest(item).picture_id])
    )
    assert b"".join(picture.streaming_content)[:3] == b"\xff\xd8\xff"


def test_a_picture_survives_a_mistake_elsewhere_and_nonsense_is_refused(writer, form):
    address = f"{ADD}?kind=picture"
    fake = SimpleUploadedFile("x.png", b"<script>", "image/png")
    assert writer.post(address, form(picture=fake)).status_code == 400
    assert not Picture.objects.exists()
    real = SimpleUploadedFile("x.png", png(), "image/png")
    answer = writer.post(address, form(picture=real, title=""))
    assert answer.status_code == 400
    kept = answer.context["kept"].pk
    writer.post(address, form(kept_picture=kept))
    assert newest(Item.objects.get()).picture_id == kept


def test_content_in_use_is_neither_archived_nor_deleted(writer, newsroom, monkeypatch):
    version = newsroom.approved()
    slot = slots.schedule(version, newsroom.account, later(), actor=newsroom.writer)
    done = writer.post(page(version.item, "archive"), follow=True)
    assert "林间服务号" in told(done)[0]
    assert writer.get(page(version.item, "delete")).status_code == 403

    slots.cancel(slot, actor=newsroom.writer)
    monkeypatch.setattr(
        registry, "_uses", [lambda item, staff: [registry.Use("活动“双12”的触达")]]
    )
    done = writer.post(page(version.item, "archive"), follow=True)
    assert told(done) == ["仍在使用：活动“双12”的触达。"]

    monkeypatch.setattr(registry, "_uses", [])
    writer.post(page(version.item, "archive"))
    version.item.refresh_from_db()
    assert version.item.state == "archived"
    refused = writer.post(page(version.item), {"body": "x"})
    assert refused.status_code in {400, 409}
    writer.post(page(version.item, "restore"))
    version.item.refresh_from_db()
    assert version.item.state == "approved"


def test_a_draft_nobody_was_shown_can_be_deleted(writer, newsroom):
    item = newsroom.item()
    writer.post(page(item, "delete"), {"post": "yes"})
    assert not Item.objects.exists()
    assert AuditEntry.objects.filter(action="content.item.deleted").exists()


def test_a_store_reads_what_the_brand_says_and_changes_only_its_own(
    client, newsroom, make_staff
):
    theirs = newsroom.item()
    person = make_staff("ops_specialist", org_unit=newsroom.store)
    client.force_login(person)
    shown = client.get(page(theirs)).content.decode()
    assert "上级单位" in shown
    assert 'id="item-form"' not in shown
    for verb in ("submit", "archive", "plan"):
        fields = {"account": newsroom.account.pk, "publish_at": "2999-01-01T10:00"}
        assert client.post(page(theirs, verb), fields).status_code == 403
    assert client.post(page(theirs), {"title": "x"}).status_code == 403

    own = newsroom.item(org_unit=newsroom.store, actor=person)
    assert 'id="item-form"' in client.get(page(own)).content.decode()


def test_a_dealer_sees_nothing_of_the_brand(client, newsroom, make_staff):
    theirs = newsroom.item()
    client.force_login(make_staff("dealer", org_unit=newsroom.dealer))
    assert client.get(page(theirs)).status_code == 404
    assert client.post(page(theirs, "approve")).status_code == 404
    assert "会员日" not in client.get(LIST).content.decode()


def test_the_list_is_searched_by_words_filtered_and_remembered(writer, newsroom):
    newsroom.item(title="冬至", content={"body": "记得吃饺子"})
    newsroom.item()
    found = writer.get(LIST, {"q": "饺子"}).context["cl"].result_list
    assert [item.title for item in found] == ["冬至"]
    assert writer.get(LIST).url.endswith("?q=%E9%A5%BA%E5%AD%90")
    writer.get(LIST, headers={"Referer": f"http://testserver{LIST}"})

    waiting = newsroom.submitted()
    writer.force_login(newsroom.manager)
    found = writer.get(LIST, {"concern": "review"}).context["cl"].result_list
    assert [item.pk for item in found] == [waiting.item_id]


def test_the_comparison_marks_what_is_new_and_what_is_gone(writer, newsroom):
    version = newsroom.approved()
    items.edit(
        version.item,
        content={"body": TEXT.replace("8 折", "7 折")},
        actor=newsroom.writer,
    )
    shown = writer.get(page(version.item, "compare")).content.decode()
    assert '<ins class="ct-new">7</ins>' in shown
    assert '<del class="ct-gone">8</del>' in shown


def test_the_home_page_says_what_waits_for_whom(client, newsroom):
    waiting = newsroom.submitted(newsroom.item(title="感恩节信"))
    returned = newsroom.submitted(newsroom.item(title="黑五"))
    review.give_back(returned, actor=newsroom.manager, comment="太满")
    slots.schedule(waiting, newsroom.account, later(1), actor=newsroom.writer)

    client.force_login(newsroom.manager)
    home = client.get("/admin/").content.decode()
    assert "感恩节信 · 周敏" in home
    client.force_login(newsroom.writer)
    home = client.get("/admin/").content.decode()
    assert "已退回：黑五" in home
    assert "的排期未通过审核：感恩节信" in home


def test_what_it_is_about_is_chosen_from_the_catalogue(writer, form):
    Category.objects.create(code="skin", name="护肤")
    writer.post(ADD, form(subject="how_to", category="skin"))
    item = Item.objects.get()
    assert (item.subject, item.category) == ("how_to", "skin")
    assert "护肤" in writer.get(page(item)).content.decode()
    for wrong in ({"subject": "x"}, {"category": "nobodys"}):
        assert writer.post(ADD, form(**wrong)).status_code == 400
    # What the catalogue no longer knows stays with what named it.
    Category.objects.all().delete()
    writer.post(page(item), form(subject="origin", category="skin"))
    item.refresh_from_db()
    assert (item.subject, item.category) == ("origin", "skin")
