"""The built-in templates: read whole, their offsets in days, no matter how often."""

from __future__ import annotations

import pytest

from campaigns import blueprints
from campaigns.blueprints import parse_offset
from campaigns.models import CampaignTemplate, GateItem, TemplateTask
from campaigns.models.plan import PhaseKind


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("T-30…T-15", (-30, -15)),
        ("T+1…T+3", (1, 3)),
        ("T0–T+1", (0, 1)),
        ("T+14/T+30", (14, 30)),
        ("T0", (0, 0)),
        ("T-2", (-2, -2)),
    ],
)
def test_an_offset_is_read_as_days_from_the_live_date(text, days):
    assert parse_offset(text) == days


@pytest.mark.parametrize("text", ["", "T", "T14", "T-2…", "T+3…T+1", "X-1", "T-2 T-1"])
def test_what_is_no_offset_is_refused(text):
    with pytest.raises(ValueError, match=r"offset|before"):
        parse_offset(text)


def test_loading_the_three_templates_again_changes_nothing(templates):
    def rows():
        return [
            list(CampaignTemplate.objects.values_list()),
            list(TemplateTask.objects.order_by("id").values_list()),
        ]

    before = rows()
    blueprints.load_builtin()
    assert rows() == before
    counts = {t.code: t.tasks.count() for t in CampaignTemplate.objects.all()}
    assert counts == {"big_sale": 12, "product_launch": 10, "store_anniversary": 10}


def test_every_template_has_three_phases_and_four_gates(templates):
    for template in templates.values():
        assert set(template.phases) == set(PhaseKind.values)
        codes = {point["code"] for point in template.gates}
        assert codes == set(GateItem.Code.values)
        assert all(point["phase"] in PhaseKind.values for point in template.gates)


def test_a_switched_off_template_stays_off(templates):
    CampaignTemplate.objects.filter(code="big_sale").update(is_active=False)
    blueprints.load_builtin()
    assert not CampaignTemplate.objects.get(code="big_sale").is_active
