"""The second half of web authorisation: a code becomes an openid, once.

https://developers.weixin.qq.com/doc/service/guide/h5/auth.html
"""

from typing import Any

from sandbox import clock, ids, options
from sandbox.api.platform_tokens import official
from sandbox.api.registry import MP, Answer, Call, Refusal, endpoint
from sandbox.models import WebCode


@endpoint(MP, "GET", "oauth2/access_token", needs_token=False, root="/sns/")
def access_token(call: Call) -> Answer:
    call.account = official(call.query.get("appid"), call.query.get("secret"))
    if call.query.get("grant_type") != "authorization_code":
        raise Refusal(40002, "invalid grant_type")
    code = call.query.get("code", "")
    if not code:
        raise Refusal(41008, "missing code")
    row = (
        WebCode.objects.select_related("follow__person")
        .filter(pk=code, follow__account=call.account)
        .first()
    )
    if row is None:
        raise Refusal(40029, "invalid code")
    if row.is_used:
        raise Refusal(40163, "code been used")
    if clock.now() - row.created_at > float(options.get("web_code_seconds")):
        raise Refusal(42003, "code expired")
    row.is_used = True
    row.save(update_fields=["is_used"])
    return _granted(row)


def _granted(row: WebCode) -> dict[str, Any]:
    """``unionid`` comes with the wider scope."""
    answer: dict[str, Any] = {
        "access_token": "OezXcEiiBSKSxW0eoylIe" + ids.random_letters(80),
        "expires_in": 7200,
        "refresh_token": "OezXcEiiBSKSxW0eoylIe" + ids.random_letters(80),
        "openid": row.follow.openid,
        "scope": row.scope,
    }
    if row.scope == "snsapi_base":
        return answer
    return answer | {"unionid": row.follow.person.unionid}
