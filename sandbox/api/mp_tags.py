"""Tags of an official account: 100 in all, 20 on a person.

https://developers.weixin.qq.com/doc/service/api/usermanage/tag/api_createtag
"""

from typing import Any

from django.db import connection

from sandbox import masses
from sandbox.api.mp_users import NO_OPENID, PAGE, follower
from sandbox.api.registry import MP, OK, Answer, Call, Refusal, endpoint
from sandbox.models import Account, Follow, MpTag

SYSTEM_TAGS = (0, 1, 2)
COUNT = """
    SELECT each.value, count(*) FROM sandbox_follow t, json_each(t.tag_ids) each
    WHERE t.account_id = %s AND t.subscribed GROUP BY each.value
"""
BAD_TAG = Refusal(45159, "invalid tag id")


def _name(call: Call, account: Account, besides: int | None = None) -> str:
    body = call.json.get("tag")
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise Refusal(45157, "invalid tag name")
    if len(name) > 30:
        raise Refusal(45158, "tag name length limit")
    clash = MpTag.objects.filter(account=account, name=name).first()
    if clash is not None and clash.tag_id != besides:
        raise Refusal(45157, "invalid tag name")
    return name


def _tag(account: Account, tag_id: Any) -> MpTag:
    row = None
    if isinstance(tag_id, int) and not isinstance(tag_id, bool):
        row = MpTag.objects.filter(account=account, tag_id=tag_id).first()
    if row is None:
        raise BAD_TAG
    return row


def _named_tag(call: Call) -> MpTag:
    body = call.json.get("tag")
    tag_id = body.get("id") if isinstance(body, dict) else None
    if tag_id in SYSTEM_TAGS:
        raise Refusal(45058, "can't modify sys tag")
    return _tag(call.account, tag_id)


@endpoint(MP, "POST", "tags/create")
def create(call: Call) -> Answer:
    name = _name(call, call.account)
    tags = MpTag.objects.filter(account=call.account).exclude(tag_id__in=SYSTEM_TAGS)
    if tags.count() >= 100:
        raise Refusal(45056, "too many tag now, no need to add new")
    newest = tags.order_by("-tag_id").first()
    tag_id = newest.tag_id + 1 if newest else 100
    MpTag.objects.create(account=call.account, tag_id=tag_id, name=name)
    return {"tag": {"id": tag_id, "name": name}}


@endpoint(MP, "GET", "tags/get")
def listing(call: Call) -> Answer:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [call.account.pk])
        counts = dict(cursor.fetchall())
    tags = MpTag.objects.filter(account=call.account).order_by("tag_id")
    return {
        "tags": [
            {"id": tag.tag_id, "name": tag.name, "count": counts.get(tag.tag_id, 0)}
            for tag in tags
        ]
    }


@endpoint(MP, "POST", "tags/update")
def update(call: Call) -> Answer:
    tag = _named_tag(call)
    tag.name = _name(call, call.account, besides=tag.tag_id)
    tag.save(update_fields=["name"])
    return dict(OK)


@endpoint(MP, "POST", "tags/delete")
def delete(call: Call) -> Answer:
    tag = _named_tag(call)
    for follow in masses.reached(call.account, tag.tag_id):
        follow.tag_ids.remove(tag.tag_id)
        follow.save(update_fields=["tag_ids"])
    tag.delete()
    return dict(OK)


def _members(call: Call) -> list[Follow]:
    """The followers of ``openid_list``: at most 50, all of this account."""
    bad_list = Refusal(40032, "invalid openid list size")
    openids = call.texts("openid_list", bad_list, most=50)
    rows = list(Follow.objects.filter(account=call.account, openid__in=openids))
    if len(rows) != len(set(openids)):
        is_foreign = (
            Follow.objects.exclude(account=call.account)
            .filter(openid__in=openids)
            .exists()
        )
        if is_foreign:
            raise Refusal(49003, "not match openid with appid")
        raise NO_OPENID
    if not all(row.subscribed for row in rows):
        raise Refusal(43004, "require subscribe")
    return rows


@endpoint(MP, "POST", "tags/members/batchtagging")
def tag_members(call: Call) -> Answer:
    tag = _tag(call.account, call.json.get("tagid"))
    rows = _members(call)
    for row in rows:
        if tag.tag_id in row.tag_ids:
            continue
        if len(row.tag_ids) >= 20:
            raise Refusal(45059, "can't add this tag to more than 20 tags one user")
        row.tag_ids.append(tag.tag_id)
        row.save(update_fields=["tag_ids"])
    return dict(OK)


@endpoint(MP, "POST", "tags/members/batchuntagging")
def untag_members(call: Call) -> Answer:
    tag = _tag(call.account, call.json.get("tagid"))
    for row in _members(call):
        if tag.tag_id in row.tag_ids:
            row.tag_ids.remove(tag.tag_id)
            row.save(update_fields=["tag_ids"])
    return dict(OK)


@endpoint(MP, "POST", "tags/getidlist")
def tags_of(call: Call) -> Answer:
    return {"tagid_list": follower(call.account, call.json.get("openid")).tag_ids}


@endpoint(MP, "POST", "user/tag/get")
def people_of(call: Call) -> Answer:
    tag = _tag(call.account, call.json.get("tagid"))
    rows = masses.reached(call.account, tag.tag_id).order_by("pk")
    after = call.json.get("next_openid")
    if after:
        rows = rows.filter(pk__gt=follower(call.account, after).pk)
    openids = list(rows.values_list("openid", flat=True)[:PAGE])
    answer: dict[str, Any] = {"count": len(openids)}
    if openids:
        answer |= {"data": {"openid": openids}, "next_openid": openids[-1]}
    return answer
