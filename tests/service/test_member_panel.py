"""The conversations on the page of a member."""

from __future__ import annotations

from django.urls import reverse

from crm.models import Member
from service.models import Queue
from tests.crm.conftest import build_world, deliver_now


def test_the_member_page_shows_conversations_and_hides_words_of_others(
    db, client, make_staff
):
    world = build_world()
    agent = make_staff("agent", org_unit=world.brand)
    queue = Queue.objects.create(name="咨询", account=world.service)
    deliver_now(world.service, "mp.message.text", "o1", Content="人工")
    page = reverse("admin:crm_member_change", args=[Member.objects.get().pk])

    client.force_login(agent)
    text = client.get(page).content.decode()
    assert "待接入" in text
    assert reverse("admin:workspace_conversation", args=[1])[:-2] in text

    other = make_staff("agent", org_unit=world.brand)
    queue.agents.add(other)
    panel = client.get(page).content.decode().partition("panel-conversations")[2]
    assert "待接入" in panel.partition("</section>")[0]
    assert "workspace" not in panel.partition("</section>")[0]
