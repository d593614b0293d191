"""wechatpy's endpoint classes over our own transport and tokens."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext_lazy as _

from wechat import tokens
from wechat.api import transport
from wechat.api.errors import PlatformError, Reach
from wechat.models import App


class OwnTransport:
    """Goes before a wechatpy client class and takes its network and tokens over.

    One bounded repetition: when the token is refused it is renewed once (by whoever may,
    see wechat.tokens) and the call made again; a refusal certainly did nothing.
    """

    app: App
    API_BASE_URL: str
    # Set for a short while by who makes many calls in a row; renewed when refused.
    token: tokens.Token | None = None

    @property
    def access_token(self) -> str:
        return tokens.current(self.app).value

    def fetch_access_token(self) -> None:
        tokens.current(self.app)

    # Of wechatpy's two, the expiry key is shared by the apps of a corp.
    @property
    def access_token_key(self) -> str:
        return f"app_{self.app.pk}_access_token"

    @property
    def access_token_expires_at_key(self) -> str:
        return f"app_{self.app.pk}_access_token_expires_at"

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        base = kwargs.pop("api_base_url", self.API_BASE_URL)
        kwargs.pop("timeout", None)
        read = kwargs.pop("result_processor", None)
        is_whole = url_or_endpoint.startswith(("http://", "https://"))
        url = url_or_endpoint if is_whole else f"{base}{url_or_endpoint}"
        answer = self.call(method, url, **kwargs)
        if read is None:
            return answer.data
        try:
            return read(answer.data)
        except (KeyError, TypeError):
            incomplete = transport.bad_answer(
                _("The platform's answer lacks what it should hold.")
            )
        raise incomplete

    def call(self, method: str, url: str, **request: Any) -> transport.Answer:
        """Make the call with the app's token; raises PlatformError."""
        if isinstance(request.get("data"), dict | list):
            # Never \uXXXX: the platforms show it literally.
            request["data"] = json.dumps(request["data"], ensure_ascii=False).encode()
        params = dict(request.pop("params", None) or {})
        token = self.token or tokens.current(self.app)
        try:
            return self._call_once(method, url, token, params, request)
        except PlatformError as error:
            if error.reach is not Reach.TOKEN:
                raise
        token = tokens.renew(self.app, token)
        if self.token is not None:
            self.token = token
        return self._call_once(method, url, token, params, request)

    def _call_once(
        self,
        method: str,
        url: str,
        token: tokens.Token,
        params: dict[str, Any],
        request: dict[str, Any],
    ) -> transport.Answer:
        return transport.call(
            self.app.account,
            method,
            url,
            params={**params, "access_token": token.value},
            **request,
        )
