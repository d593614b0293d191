"""Coupons as people look at them: the list, one of them, the box on the member page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm.models import Coupon, Member
from tests.conftest import build_staff

LIST = reverse("admin:crm_coupon_changelist")


@pytest.fixture
def coupons(world):
    """By number: when it ends in days, its state, whose it is."""
    world.member = Member.objects.create(controller=world.brand, display_name="林小满")
    made = {
        "soon": (3, "held", world.member),
        "later": (90, "held", None),
        "used": (3, "used", world.member),
        "over": (-1, "held", world.member),
    }
    for code, (days, state, member) in made.items():
        Coupon.objects.create(
            controller=world.brand,
            member=member,
            shop="mini",
            code=code,
            buyer="mini:7",
            state=state,
            expires_at=timezone.now() + timedelta(days=days),
        )
    Coupon.objects.create(
        controller=world.dealer,
        shop="theirs",
        code="strange",
        expires_at=timezone.now(),
    )
    return world


def test_coupons_are_listed_filtered_and_read_in_scope(client, coupons):
    client.force_login(build_staff("ops_specialist", org_unit=coupons.brand))

    def listed(**query):
        return {row.code for row in client.get(LIST, query).context["cl"].result_list}

    assert listed() == {"soon", "later", "used", "over"}
    assert listed(state__exact="used") == {"used"}
    assert listed(expires="7") == {"soon", "used"}
    assert listed(expires="30", state__exact="held") == {"soon"}
    assert (listed(expires="later"), listed(expires="over")) == ({"later"}, {"over"})
    assert listed(buyer_known="no") == {"later"}
    assert listed(of_member=coupons.member.pk) == {"soon", "used", "over"}
    assert (listed(q="soon"), listed(q="strange")) == ({"soon"}, set())
    page = client.get(LIST).content.decode()
    assert reverse("admin:crm_member_change", args=[coupons.member.pk]) in page
    assert "未使用已过期" in page

    one = {coupon.code: coupon.pk for coupon in Coupon.objects.all()}
    detail = client.get(reverse("admin:crm_coupon_change", args=[one["soon"]]))
    assert "林小满" in detail.content.decode()
    assert 'name="_save"' not in detail.content.decode()
    foreign = reverse("admin:crm_coupon_change", args=[one["strange"]])
    assert client.get(foreign).status_code == 404
    stranger = build_staff(username="nobody", org_unit=coupons.brand)
    client.force_login(stranger)
    assert client.get(LIST).status_code == 403


def test_the_member_page_shows_coupons_and_leads_to_all_of_them(client, coupons):
    client.force_login(build_staff("agent", org_unit=coupons.brand))
    page = client.get(reverse("admin:crm_member_change", args=[coupons.member.pk]))
    text = page.content.decode()
    assert f"{LIST}?of_member={coupons.member.pk}" in text
    assert "mini · soon" in text
    assert LIST in client.get(reverse("admin:index")).content.decode()
    other = Member.objects.create(controller=coupons.brand, display_name="无券")
    page = client.get(reverse("admin:crm_member_change", args=[other.pk]))
    assert "panel-coupons" not in page.content.decode()
