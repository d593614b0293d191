"""微信客服, receiving side: accounts, the message stream, sessions, customers.

https://developer.work.weixin.qq.com/document/path/94661 (accounts), 94670 (sync),
94669 (sessions), 95159 (customers).
"""

from typing import Any

from sandbox import clock, kf, options
from sandbox.api import quotas
from sandbox.api.qy_contacts import (
    bad_parameter,
    colleague_of,
    cursor_position,
    cursor_text,
    external_contact,
    person_of,
)
from sandbox.api.registry import OK, QY, Answer, Call, Refusal, endpoint
from sandbox.models import KfAccount, KfMessage, KfSession, KfToken, Person


def kf_account(call: Call) -> KfAccount:
    open_kfid = call.json.get("open_kfid")
    if not isinstance(open_kfid, str) or not open_kfid:
        raise Refusal(95000, "invalid open_kfid")
    row = (
        KfAccount.objects.select_related("account")
        .filter(account=call.account, pk=open_kfid)
        .first()
    )
    if row is None:
        raise Refusal(95004, "open_kfid not exist")
    return row


@endpoint(QY, "ANY", "kf/account/list")
def accounts(call: Call) -> Answer:
    offset = call.number("offset", 0, bad_parameter("offset"), 0, 10_000)
    limit = call.number("limit", 100, bad_parameter("limit"), 1, 100)
    rows = KfAccount.objects.filter(account=call.account).order_by("pk")
    return {
        **OK,
        "account_list": [
            {
                "open_kfid": row.open_kfid,
                "name": row.name,
                "avatar": "",
                "manage_privilege": True,
            }
            for row in rows[offset : offset + limit]
        ],
    }


@endpoint(QY, "POST", "kf/sync_msg")
def sync(call: Call) -> Answer:
    """The stream of one account after the cursor, three days back at most."""
    account = kf_account(call)
    limit = call.number("limit", 1000, bad_parameter("limit"), 1, 1000)
    if call.json.get("voice_format", 0) not in (0, 1):
        raise bad_parameter("voice_format")
    _check_token(call, account)
    after = cursor_position(call.json.get("cursor"))
    empty = options.get("kf_empty_pages")
    if empty > 0:
        options.put("kf_empty_pages", empty - 1)
        more = {"next_cursor": cursor_text(after), "has_more": 1, "msg_list": []}
        return {**OK, **more}
    oldest = clock.now() - float(options.get("kf_history_seconds"))
    rows = KfMessage.objects.filter(kf=account, pk__gt=after, send_time__gte=oldest)
    page = list(rows.order_by("pk")[: limit + 1])
    items = page[:limit]
    position = items[-1].pk if items else after
    return {
        **OK,
        "next_cursor": cursor_text(position),
        "has_more": int(len(page) > limit),
        "msg_list": [row.body for row in items],
    }


def _check_token(call: Call, account: KfAccount) -> None:
    """With a callback's token calls are free for ten minutes, without it they are
    few."""
    value = call.json.get("token")
    if not value:
        minute = quotas.period("%Y-%m-%dT%H:%M")
        limit = options.get("kf_without_token_per_minute")
        if quotas.use(call.account, f"sync {account.pk}", minute) > limit:
            raise Refusal(45009, "api freq out of limit")
        return
    row = KfToken.objects.filter(pk=str(value), kf=account).first()
    lifetime = float(options.get("kf_token_seconds"))
    if row is None or row.created_at + lifetime <= clock.now():
        raise Refusal(95007, "invalid msg token")


def session_of(call: Call) -> KfSession:
    account = kf_account(call)
    person = person_of(call.json.get("external_userid"))
    return kf.session_of(account, person)


@endpoint(QY, "POST", "kf/service_state/get")
def state_get(call: Call) -> Answer:
    session = session_of(call)
    answer: dict[str, Any] = {**OK, "service_state": session.state}
    if session.state == kf.SERVED:
        answer["servicer_userid"] = session.servicer_userid
    return answer


# From which state a call may go where; nothing leaves the end but the customer.
MOVES = {
    kf.NEW: {kf.ASSISTANT, kf.POOL, kf.SERVED, kf.ENDED},
    kf.ASSISTANT: {kf.POOL, kf.SERVED, kf.ENDED},
    kf.POOL: {kf.SERVED, kf.ENDED},
    kf.SERVED: {kf.POOL, kf.SERVED, kf.ENDED},
    kf.ENDED: set(),
}


@endpoint(QY, "POST", "kf/service_state/trans")
def state_change(call: Call) -> Answer:
    """API-made, so no event comes of it; the code is for a message on the change."""
    session = session_of(call)
    wanted = call.json.get("service_state")
    if not isinstance(wanted, int) or wanted not in MOVES:
        raise bad_parameter("service_state")
    if wanted not in MOVES[session.state]:
        raise Refusal(options.get("kf_code_bad_state"), "invalid service state change")
    if wanted == kf.SERVED:
        userid = call.json.get("servicer_userid")
        session.servicer_userid = colleague_of(call.account, userid).userid
    had_person = session.state in (kf.POOL, kf.SERVED)
    session.state = wanted
    session.save()
    answer = dict(OK)
    if wanted == kf.ENDED:
        answer["msg_code"] = kf.new_code(session, 20, is_bound=True)
    elif wanted in (kf.POOL, kf.SERVED) and not had_person:
        seconds = options.get("kf_allow")[1]
        answer["msg_code"] = kf.new_code(session, seconds, is_bound=True)
    return answer


@endpoint(QY, "POST", "kf/customer/batchget")
def customers(call: Call) -> Answer:
    name = "external_userid_list"
    wanted = call.texts(name, bad_parameter(name))
    rows = {
        row.external_userid: row
        for row in Person.objects.filter(external_userid__in=wanted)
    }
    needs_context = call.json.get("need_enter_session_context") == 1
    return {
        **OK,
        "customer_list": [
            _customer(call, rows[one], needs_context) for one in wanted if one in rows
        ],
        "invalid_external_userid": [one for one in wanted if one not in rows],
    }


def _customer(call: Call, person: Person, needs_context: bool) -> dict[str, Any]:
    contact = external_contact(person)
    body = {
        "external_userid": contact["external_userid"],
        "nickname": contact["name"],
        "avatar": contact["avatar"],
        "gender": contact["gender"],
        "unionid": contact["unionid"],
    }
    session = KfSession.objects.filter(person=person).order_by("-wrote_at").first()
    if needs_context and session is not None and session.scene:
        body["enter_session_context"] = {
            "scene": session.scene,
            "scene_param": session.scene_param,
        }
    return body
