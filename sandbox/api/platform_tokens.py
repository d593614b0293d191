"""The calls that give tokens, and those that tell about the platform itself."""

import hmac
import json
from typing import Any

from sandbox import clock, options
from sandbox.api import quotas, tokens
from sandbox.api.registry import MP, OK, QY, Answer, Call, Refusal, endpoint
from sandbox.models import Account, Use

ADDRESSES = ["127.0.0.1"]


def official(appid: Any, secret: Any) -> Account:
    account = None
    if isinstance(appid, str) and appid:
        account = Account.objects.filter(app_id=appid).first()
    if account is None:
        raise Refusal(40013, "invalid appid")
    if not secret:
        raise Refusal(41004, "appsecret missing")
    if not hmac.compare_digest(str(secret), account.secret):
        raise Refusal(40125, "invalid appsecret, view more at http://t.cn/RAEkdVq")
    return account


@endpoint(MP, "GET", "token", needs_token=False)
def token(call: Call) -> Answer:
    if call.query.get("grant_type") != "client_credential":
        raise Refusal(40002, "invalid grant_type")
    account = official(call.query.get("appid"), call.query.get("secret"))
    call.account = account
    quotas.count(account, call.path)
    fresh = tokens.new_plain(account)
    return {"access_token": fresh.value, "expires_in": tokens.seconds_left(fresh)}


@endpoint(MP, "POST", "stable_token", needs_token=False)
def stable_token(call: Call) -> Answer:
    body = call.json
    if body.get("grant_type") != "client_credential":
        raise Refusal(40002, "invalid grant_type")
    account = official(body.get("appid"), body.get("secret"))
    call.account = account
    quotas.count(account, call.path)
    is_forced = body.get("force_refresh") is True
    if is_forced:
        _count_forced(account)
    found = tokens.stable(account, is_forced=is_forced)
    return {"access_token": found.value, "expires_in": tokens.seconds_left(found)}


def _count_forced(account: Account) -> None:
    """At most 20 a day and one in 30 seconds."""
    day = quotas.period("%Y-%m-%d")
    if quotas.used(account, "force_refresh", day) >= options.get(
        "stable_force_per_day"
    ):
        raise Refusal(45009, "reach max api daily quota limit")
    row, is_new = Use.objects.get_or_create(
        account=account, key="forced_at", period="last"
    )
    gap = options.get("stable_force_gap_seconds")
    if not is_new and clock.now() - row.used < gap:
        raise Refusal(
            45011, "api minute-quota reach limit, must slower, retry next minute"
        )
    row.used = int(clock.now())
    row.save(update_fields=["used"])
    quotas.use(account, "force_refresh", day)


@endpoint(QY, "GET", "gettoken", needs_token=False)
def gettoken(call: Call) -> Answer:
    corp_id, secret = call.query.get("corpid", ""), call.query.get("corpsecret", "")
    if not corp_id:
        raise Refusal(41002, "corpid missing")
    if not secret:
        raise Refusal(41004, "corpsecret missing")
    corp = Account.objects.filter(corp_id=corp_id, kind=Account.Kind.WECOM).first()
    if corp is None:
        raise Refusal(40013, "invalid corpid")
    if not hmac.compare_digest(secret, corp.secret):
        raise Refusal(40001, "invalid credential")
    call.account = corp
    found = tokens.wecom(corp)
    return {
        **OK,
        "access_token": found.value,
        "expires_in": tokens.seconds_left(found),
    }


@endpoint(MP, "GET", "getcallbackip")
@endpoint(MP, "GET", "get_api_domain_ip")
def addresses(call: Call) -> Answer:
    return {"ip_list": ADDRESSES}


@endpoint(QY, "GET", "getcallbackip")
@endpoint(QY, "GET", "get_api_domain_ip")
def wecom_addresses(call: Call) -> Answer:
    return {**OK, "ip_list": ADDRESSES}


@endpoint(MP, "POST", "callback/check")
def callback_check(call: Call) -> Answer:
    action = call.json.get("action", "all")
    if action not in ("all", "dns", "ping"):
        raise Refusal(47001, "data format error")
    answer: dict[str, Any] = {}
    if action in ("all", "dns"):
        answer["dns"] = [{"ip": "127.0.0.1", "real_operator": "UNICOM"}]
    if action in ("all", "ping"):
        answer["ping"] = [
            {
                "ip": "127.0.0.1",
                "from_operator": "UNICOM",
                "package_loss": "0%",
                "time": "0.100ms",
            }
        ]
    return answer


@endpoint(MP, "POST", "openapi/quota/get")
def quota_get(call: Call) -> Answer:
    path = call.json.get("cgi_path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise Refusal(76003, "cgi_path not found, please check")
    found = quotas.of_today(call.account, path)
    if found is None:
        raise Refusal(76003, "cgi_path not found, please check")
    limit, spent = found
    quota = {"daily_limit": limit, "used": spent, "remain": max(0, limit - spent)}
    return {**OK, "quota": quota}


@endpoint(MP, "POST", "clear_quota")
def clear_quota(call: Call) -> Answer:
    if call.json.get("appid") != call.account.app_id:
        raise Refusal(40013, "invalid appid")
    return _clear(call.account)


@endpoint(MP, "POST", "clear_quota/v2", needs_token=False)
def clear_quota_v2(call: Call) -> Answer:
    body = call.json
    call.account = official(body.get("appid"), body.get("appsecret"))
    return _clear(call.account)


def _clear(account: Account) -> Answer:
    month = quotas.period("%Y-%m")
    if quotas.used(account, "clear_quota", month) >= options.get(
        "clear_quota_per_month"
    ):
        raise Refusal(48006, "forbid to clear quota because of reaching the limit")
    quotas.use(account, "clear_quota", month)
    quotas.clear(account)
    return dict(OK)


@endpoint(MP, "POST", "openapi/rid/get")
def rid_get(call: Call) -> Answer:
    """What the call with this rid looked like."""
    from sandbox.models import Call as Record

    rid = call.text("rid", Refusal(76001, "rid not found"))
    row = (
        Record.objects.filter(account_slug=call.account.slug)
        .filter(answer__errmsg__endswith=f"rid: {rid}")
        .first()
    )
    if row is None:
        raise Refusal(76001, "rid not found")
    request = {
        "invoke_time": int(row.at),
        "cost_in_ms": 10,
        "request_url": f"access_token=***&path={row.path}",
        "request_body": json.dumps(row.body, ensure_ascii=False),
        "response_body": json.dumps(row.answer, ensure_ascii=False),
        "client_ip": call.remote,
    }
    return {**OK, "request": request}
