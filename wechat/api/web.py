"""Web authorisation of official accounts: who opened a page inside WeChat.

https://developers.weixin.qq.com/doc/service/guide/h5/auth.html; with `snsapi_base` nobody
is asked anything and only the openid is told.
"""

from __future__ import annotations

from urllib.parse import urlencode

from wechat.api import transport
from wechat.models import App

AUTHORIZE_URL = "https://open.weixin.qq.com/connect/oauth2/authorize"
TOKEN_URL = "https://api.weixin.qq.com/sns/oauth2/access_token"  # noqa: S105
# Somebody waits for a page meanwhile: connect and read, in seconds.
TIMEOUT = (2.0, 3.0)
# Letters and digits, at most (the guide above, parameter "state").
MAX_STATE_LENGTH = 128


def authorize_url(app: App, *, redirect_uri: str, state: str) -> str:
    """Where the browser is sent; the platform sends it back with `code` and `state`.

    The parameters' order is the guide's, which the platform checks; an account with an
    API address of its own has this page there too.
    """
    base = app.account.api_base_url.rstrip("/")
    page = f"{base}/connect/oauth2/authorize" if base else AUTHORIZE_URL
    query = urlencode(
        {
            "appid": app.app_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
        }
    )
    return f"{page}?{query}#wechat_redirect"


def openid_of(app: App, code: str) -> str:
    """Whom `code` stands for; "" for a made-up person. Raises PlatformError.

    A code is good once and for five minutes. Somebody who only glances at a page may be
    a "snapshot user", whose openid is of nobody (`is_snapshotuser`).
    """
    answer = transport.call(
        app.account,
        "get",
        TOKEN_URL,
        params={
            "appid": app.app_id,
            "secret": app.secret,
            "code": code,
            "grant_type": "authorization_code",
        },
        timeout=TIMEOUT,
    )
    data = answer.data or {}
    if str(data.get("is_snapshotuser", "0")) == "1":
        return ""
    openid = data.get("openid")
    return openid if isinstance(openid, str) and len(openid) <= 64 else ""
