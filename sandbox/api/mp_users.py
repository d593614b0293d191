"""Followers of an official account.

https://developers.weixin.qq.com/doc/service/api/usermanage/userinfo/api_userinfo
Nickname, portrait, sex and city are not given any more since 2021-12-27.
"""

from typing import Any

from sandbox.api.registry import MP, OK, Answer, Call, Refusal, endpoint
from sandbox.models import Account, Follow, Person
from sandbox.statements import Select

PAGE = 10_000
NO_OPENID = Refusal(40003, "invalid openid")
BY_OPENID = Select(Follow, "WHERE t.openid = %s")
PERSON = Select(Person, "WHERE t.id = %s")


def follower(account: Account, openid: Any) -> Follow:
    """The person behind an openid of this account, following or not."""
    row = BY_OPENID.first(openid) if isinstance(openid, str) else None
    person = PERSON.first(row.person_id) if row else None
    if row is None or person is None or row.account_id != account.pk:
        raise NO_OPENID
    row.account, row.person = account, person
    return row


def described(follow: Follow) -> dict[str, Any]:
    if not follow.subscribed:
        return {"subscribe": 0, "openid": follow.openid}
    return {
        "subscribe": 1,
        "openid": follow.openid,
        "nickname": "",
        "sex": 0,
        "language": "zh_CN",
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": "",
        "subscribe_time": follow.subscribe_time,
        "unionid": follow.person.unionid,
        "remark": follow.remark,
        "groupid": follow.tag_ids[0] if follow.tag_ids else 0,
        "tagid_list": follow.tag_ids,
        "subscribe_scene": follow.subscribe_scene,
        "qr_scene": follow.qr_scene,
        "qr_scene_str": follow.qr_scene_str,
    }


@endpoint(MP, "GET", "user/info")
def info(call: Call) -> Answer:
    openid = call.query.get("openid")
    if not openid:
        raise Refusal(41009, "missing openid")
    return described(follower(call.account, openid))


@endpoint(MP, "POST", "user/info/batchget")
def batch(call: Call) -> Answer:
    wanted = call.json.get("user_list")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= 100:
        raise Refusal(40032, "invalid openid list size")
    openids = [
        str(one.get("openid")) if isinstance(one, dict) else "" for one in wanted
    ]
    rows = {
        row.openid: row
        for row in Follow.objects.select_related("person").filter(
            account=call.account, openid__in=openids
        )
    }
    if any(openid not in rows for openid in openids):
        raise NO_OPENID
    return {"user_info_list": [described(rows[openid]) for openid in openids]}


@endpoint(MP, "POST", "user/info/updateremark")
def update_remark(call: Call) -> Answer:
    remark = call.json.get("remark")
    if not isinstance(remark, str) or len(remark) >= 30:
        raise Refusal(40054, "invalid remark length")
    row = follower(call.account, call.json.get("openid"))
    if not row.subscribed:
        raise Refusal(43004, "require subscribe")
    row.remark = remark
    row.save(update_fields=["remark"])
    return dict(OK)


@endpoint(MP, "GET", "user/get")
def listing(call: Call) -> Answer:
    """All followers, 10,000 a page, in the order in which they are stored."""
    rows = Follow.objects.filter(account=call.account, subscribed=True).order_by("pk")
    total = rows.count()
    after = call.query.get("next_openid", "")
    if after:
        rows = rows.filter(pk__gt=follower(call.account, after).pk)
    openids = list(rows.values_list("openid", flat=True)[:PAGE])
    answer: dict[str, Any] = {"total": total, "count": len(openids)}
    if openids:
        answer["data"] = {"openid": openids}
    return {**answer, "next_openid": openids[-1] if openids else ""}
