"""The API's addresses, version 1. Each is answered with and without a slash at the end."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path, re_path
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView
from rest_framework.views import APIView

from campaigns import api as campaigns
from content import api as content
from core.rest.views import NoSuchAddress
from crm import api as crm
from crm import coupon_api as coupons
from crm import order_api as orders
from crm import segment_api as segments
from reports import api as reports
from service import api as service
from wechat import rest as wechat

app_name = "api"

ADDRESSES: list[tuple[str, type[APIView], str]] = [
    ("members", crm.Members, "members"),
    ("members/<int:id>", crm.OneMember, "member"),
    ("members/<int:id>/events", crm.MemberEvents, "member-events"),
    ("products", orders.Products, "products"),
    ("orders", orders.Orders, "orders"),
    ("orders/<int:id>", orders.OneOrder, "order"),
    ("orders/<int:id>/refunds", orders.Refunds, "refunds"),
    ("coupons", coupons.Coupons, "coupons"),
    ("segments", segments.Segments, "segments"),
    ("segments/estimate", segments.Estimate, "segment-estimate"),
    ("segments/<int:id>", segments.OneSegment, "segment"),
    ("segments/<int:id>/members", segments.SegmentMembers, "segment-members"),
    ("segments/<int:id>/why", segments.Why, "segment-why"),
    ("accounts", wechat.Accounts, "accounts"),
    ("inbox", wechat.Inbox, "inbox"),
    ("outbox", wechat.Outbox, "outbox"),
    ("content/items", content.Items, "content-items"),
    ("content/items/<int:id>", content.OneItem, "content-item"),
    ("conversations", service.Conversations, "conversations"),
    ("conversations/<int:id>", service.OneConversation, "conversation"),
    ("conversations/<int:id>/messages", service.Messages, "messages"),
    ("conversations/<int:id>/claim", service.Claim, "claim"),
    ("conversations/<int:id>/reply", service.Reply, "reply"),
    ("conversations/<int:id>/close", service.Close, "close"),
    ("campaigns", campaigns.Campaigns, "campaigns"),
    ("campaigns/<int:id>", campaigns.OneCampaign, "campaign"),
    ("campaigns/<int:id>/touches", campaigns.Touches, "touches"),
    ("touches/<int:id>/recipients", campaigns.Recipients, "recipients"),
    ("touches/<int:id>/pause", campaigns.Pause, "pause"),
    ("touches/<int:id>/resume", campaigns.Resume, "resume"),
    ("touches/<int:id>/stop", campaigns.Stop, "stop"),
    ("campaigns/<int:id>/recap", reports.CampaignRecap, "campaign-recap"),
]


class Document(SpectacularAPIView):
    """The OpenAPI document, public: it tells the shape of the API and no data."""

    renderer_classes = [OpenApiJsonRenderer2]


def both_spellings(address: str, view: type[APIView], name: str) -> list[URLPattern]:
    handler = view.as_view()
    return [path(address, handler, name=name), path(f"{address}/", handler)]


def keep_one_spelling(endpoints: list[Any], **_: Any) -> list[Any]:
    """drf-spectacular hook: document each address once, without the slash."""
    return [each for each in endpoints if not each[0].endswith("/")]


def drop_titles(result: Any, **_: Any) -> Any:
    """drf-spectacular hook: titles come from the pages' words, which are translated."""
    if isinstance(result, dict):
        return {
            name: drop_titles(value)
            for name, value in result.items()
            if name != "title" or not isinstance(value, str) or "version" in result
        }
    if isinstance(result, list):
        return [drop_titles(each) for each in result]
    return result


urlpatterns = [
    *(pattern for each in ADDRESSES for pattern in both_spellings(*each)),
    path("schema/", Document.as_view(), name="schema"),
    re_path(r"", NoSuchAddress.as_view()),
]
