"""Contact ways (「联系我」): codes that lead to colleagues.

https://developer.work.weixin.qq.com/document/path/92228
"""

from typing import Any

from sandbox import clock, ids
from sandbox.api.qy_contacts import (
    bad_parameter,
    colleague_of,
    cursor_position,
    cursor_text,
)
from sandbox.api.registry import OK, QY, Answer, Call, Refusal, endpoint
from sandbox.models import ContactWay

FIELDS = (
    "type",
    "scene",
    "style",
    "remark",
    "skip_verify",
    "state",
    "user",
    "party",
    "is_temp",
    "expires_in",
    "chat_expires_in",
    "unionid",
    "conclusions",
    "is_exclusive",
    "mark_source",
)


def _check(call: Call, body: dict[str, Any]) -> None:
    """The rules that hold for a new way and a changed one."""
    for name, most in (("remark", 30), ("state", 30)):
        value = body.get(name, "")
        if not isinstance(value, str) or len(value) > most:
            raise bad_parameter(name)
    users = body.get("user", [])
    if not isinstance(users, list) or len(users) > 100:
        raise bad_parameter("user")
    for userid in users:
        colleague_of(call.account, userid)
    if body.get("type") == 1 and len(users) != 1:
        raise bad_parameter("user")
    if not users and not body.get("party"):
        raise bad_parameter("user")


@endpoint(QY, "POST", "externalcontact/add_contact_way")
def add(call: Call) -> Answer:
    body = {name: call.json[name] for name in FIELDS if name in call.json}
    if body.get("type") not in (1, 2):
        raise bad_parameter("type")
    if body.get("scene") not in (1, 2):
        raise bad_parameter("scene")
    _check(call, body)
    body.setdefault("skip_verify", True)
    config_id = ids.random_hex(32)
    if body["scene"] == 2:
        body["qr_code"] = f"https://wework.qpic.cn/wwpic/{ids.random_letters(24)}/0"
    row = ContactWay.objects.create(
        config_id=config_id, account=call.account, body=body, created_at=clock.now()
    )
    answer = {**OK, "config_id": row.config_id}
    if "qr_code" in body:
        answer["qr_code"] = body["qr_code"]
    return answer


def _way(call: Call) -> ContactWay:
    config_id = call.text("config_id", bad_parameter("config_id"))
    row = ContactWay.objects.filter(account=call.account, pk=config_id).first()
    if row is None:
        raise Refusal(41044, "invalid config id")
    return row


@endpoint(QY, "POST", "externalcontact/get_contact_way")
def get(call: Call) -> Answer:
    row = _way(call)
    return {**OK, "contact_way": {"config_id": row.config_id, **row.body}}


@endpoint(QY, "POST", "externalcontact/list_contact_way")
def listing(call: Call) -> Answer:
    limit = call.number("limit", 100, bad_parameter("limit"), 1, 1000)
    # The second that has begun counts: end_time is whole seconds.
    now = int(clock.now()) + 1
    end = call.number("end_time", now, bad_parameter("end_time"), 0, 2**40)
    oldest = max(0, end - 90 * 86400)
    start = call.number("start_time", oldest, bad_parameter("start_time"), 0, 2**40)
    rows = ContactWay.objects.filter(
        account=call.account, created_at__gte=start, created_at__lte=end
    )
    known = list(rows.order_by("created_at").values_list("config_id", flat=True))
    after = cursor_position(call.json.get("cursor"))
    page = known[after : after + limit]
    answer = {**OK, "contact_way": [{"config_id": one} for one in page]}
    if after + limit < len(known):
        answer["next_cursor"] = cursor_text(after + limit)
    return answer


@endpoint(QY, "POST", "externalcontact/update_contact_way")
def update(call: Call) -> Answer:
    row = _way(call)
    fixed = ("type", "scene", "is_temp")
    changes = {
        name: call.json[name]
        for name in FIELDS
        if name in call.json and name not in fixed
    }
    body = {**row.body, **changes}
    _check(call, body)
    row.body = body
    row.save(update_fields=["body"])
    return dict(OK)


@endpoint(QY, "POST", "externalcontact/del_contact_way")
def delete(call: Call) -> Answer:
    _way(call).delete()
    return dict(OK)
