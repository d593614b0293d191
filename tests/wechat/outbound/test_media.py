"""Pictures: checked, kept, served to those who may see them, sent."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from staff.models import OrgUnit, Staff
from tests.wechat.outbound.phone import Sandbox
from wechat import media, outbox, registry, sending
from wechat.models import App, Media, OutboundMessage


def picture(size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


@pytest.fixture
def agent(make_staff: Callable[..., Staff], app: App) -> Staff:
    return make_staff("agent", org_unit=app.account.org_unit)


def test_an_incoming_picture_is_fetched_checked_and_kept(
    app: App, customer: dict[str, Any], sandbox: Sandbox
) -> None:
    sandbox.ask(f"people/{customer['id']}/picture", {"account": customer["slug"]})
    push = sandbox.ask(f"pushes?account={customer['slug']}")[-1]["body"]
    media_id = push.partition("<MediaId><![CDATA[")[2].partition("]]>")[0]
    wanted = media.want(app, media_id)
    assert media.want(app, media_id) == wanted
    assert media.fetch_wanted() == 1
    wanted.refresh_from_db()
    assert (wanted.state, wanted.error) == ("stored", "")
    assert media.path_of(wanted).stat().st_size == wanted.size_bytes


def test_a_picture_that_is_gone_fails_and_a_slow_platform_is_tried_again(
    app: App, sandbox: Sandbox
) -> None:
    gone = media.want(app, "nothing")
    media.fetch_wanted()
    gone.refresh_from_db()
    assert gone.state == "failed"
    assert gone.error
    later = media.want(app, "later")
    sandbox.fault("media/get", "http_502")
    media.fetch_wanted()
    later.refresh_from_db()
    assert (later.state, later.tries) == ("wanted", 1)
    assert later.next_at is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a<script>alert(1)</script>",
        b"<svg onload=alert(1)>",
        b"%PDF-1.7",
        picture()[:50],
        b"x" * (media.MAX_UPLOAD_BYTES + 1),
    ],
    ids=["empty", "polyglot", "svg", "pdf", "truncated", "too large"],
)
def test_what_is_no_picture_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(media.BadImage) as refused:
        media.clean_image(content)
    assert refused.value.messages[0]


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    with pytest.raises(media.BadImage):
        media.clean_image(out.getvalue())


def test_nothing_hidden_behind_the_pixels_survives() -> None:
    clean, content_type, _extension, size = media.clean_image(
        picture(kind="JPEG") + b"<script>alert(1)</script>"
    )
    assert b"script" not in clean
    assert (content_type, size) == ("image/jpeg", (40, 30))


def test_an_agents_picture_reaches_the_phone_and_is_uploaded_once(
    app: App, customer: dict[str, Any], agent: Staff, sandbox: Sandbox
) -> None:
    kept = media.store_outgoing(app, picture(), actor=agent)
    before = sandbox.last_call()
    for number in range(2):
        outbox.plan(
            app=app,
            channel="mp_custom",
            recipient=customer["to"],
            kind="image",
            payload={"media": kept.pk},
            dedupe_key=f"p:{customer['to']}:{number}",
            purpose="test",
            actor=agent,
        )
    sending.drain("realtime")
    states = OutboundMessage.objects.values_list("state", "reason_code")
    assert set(states) == {("sent", "")}
    lines = sandbox.ask(f"people/{customer['id']}/screen?account={customer['slug']}")
    assert [line["type"] for line in lines].count("image") == 2
    assert len(sandbox.calls("media/upload", before)) == 1


def test_a_picture_deleted_meanwhile_fails_in_words(
    app: App, customer: dict[str, Any], agent: Staff
) -> None:
    kept = media.store_outgoing(app, picture(), actor=agent)
    message = outbox.plan(
        app=app,
        channel="mp_custom",
        recipient=customer["to"],
        kind="image",
        payload={"media": kept.pk},
        dedupe_key=f"p:{customer['to']}",
        purpose="test",
        actor=agent,
    )
    Media.objects.update(state="purged", file="")
    sending.drain("realtime")
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("failed", "media_missing")


def test_a_picture_is_served_to_who_may_see_it_and_harmlessly(
    app: App, agent: Staff, client: Client, make_staff: Callable[..., Staff]
) -> None:
    kept = media.store_outgoing(app, picture(), actor=agent)
    url = reverse("media", args=[kept.pk])
    assert client.get(url).status_code == 302
    client.force_login(agent)
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
    client.force_login(make_staff("agent", org_unit=app.account.org_unit))
    assert client.get(url).status_code == 404
    stranger = OrgUnit.objects.create(name="别家", kind="brand")
    client.force_login(make_staff("ops_manager", org_unit=stranger))
    assert client.get(url).status_code == 404


def test_another_part_of_the_console_may_say_who_sees_a_picture(
    app: App,
    agent: Staff,
    client: Client,
    make_staff: Callable[..., Staff],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = media.store_outgoing(app, picture(), actor=agent)
    monkeypatch.setattr(registry, "media_viewers", [lambda staff, row: True])
    client.force_login(make_staff("agent", org_unit=app.account.org_unit))
    assert client.get(reverse("media", args=[kept.pk])).status_code == 200


def test_a_file_name_that_leads_outside_is_missing(app: App, agent: Staff) -> None:
    kept = media.store_outgoing(app, picture(), actor=agent)
    kept.file = "../../etc/hostname"
    with pytest.raises(media.MediaMissing):
        media.path_of(kept)
