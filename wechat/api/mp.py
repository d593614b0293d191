"""Calls of 服务号 and 公众号 (https://developers.weixin.qq.com/doc/service/api/)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from wechatpy import WeChatClient

from wechat import limits
from wechat.api import transport
from wechat.api.client import OwnTransport
from wechat.models import App

BASE = "https://api.weixin.qq.com/cgi-bin/"


class MpClient(OwnTransport, WeChatClient):
    """The calls the console uses; every method raises PlatformError."""

    def __init__(self, app: App) -> None:
        self.app = app
        super().__init__(app.app_id, "", timeout=0, auto_retry=False)

    def send_text(self, openid: str, text: str) -> dict[str, Any]:
        """Customer-service message; errcode 0 means the platform took it."""
        answer: dict[str, Any] = self.message.send_text(openid, text)
        return answer

    def send_image(self, openid: str, media_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.message.send_image(openid, media_id)
        return answer

    def user_info(self, openid: str) -> dict[str, Any]:
        """subscribe, openid, unionid?, remark, tagid_list, …; no name since 2021."""
        answer: dict[str, Any] = self.user.get(openid)
        return answer

    def user_batch(self, openids: list[str]) -> list[dict[str, Any]]:
        """`user_info` of up to `mp.user_batch.size` people."""
        self._check_size(openids, "mp.user_batch.size")
        people = [{"openid": openid, "lang": "zh_CN"} for openid in openids]
        return list(self.user.get_batch(people))

    def followers(self, next_openid: str = "") -> dict[str, Any]:
        """total, count, data.openid[], next_openid; 10,000 a page."""
        params = {"next_openid": next_openid} if next_openid else {}
        answer: dict[str, Any] = self._request("get", "user/get", params=params)
        return answer

    def upload_image(self, content: bytes, name: str, content_type: str) -> str:
        """The media_id of a temporary picture; it lives three days."""
        return str(
            self._request(
                "post",
                "media/upload",
                params={"type": "image"},
                files={"media": (name, content, content_type)},
                result_processor=lambda data: data["media_id"],
            )
        )

    def add_material(self, content: bytes, name: str, content_type: str) -> str:
        """The media_id of a permanent picture (100,000 an account)."""
        return str(
            self._request(
                "post",
                "material/add_material",
                params={"type": "image"},
                files={"media": (name, content, content_type)},
                result_processor=lambda data: data["media_id"],
            )
        )

    def download_media(self, media_id: str) -> transport.Answer:
        return self.call(
            "get",
            f"{BASE}media/get",
            params={"media_id": media_id},
            max_bytes=transport.MAX_MEDIA_BYTES,
        )

    # -- mass sends

    def mass_send(
        self, openids: list[str], request: dict[str, Any], clientmsgid: str
    ) -> dict[str, Any]:
        """One mass call to `openids` (service accounts); msg_id is in the answer.

        `request`: the body without the people, {"msgtype": "text", "text": {…}}. The
        same `clientmsgid` within 24 h is refused: 45065 with the old msg_id, 45066
        within a minute. Source:
        https://developers.weixin.qq.com/doc/service/api/notify/message/api_masssend.html
        """
        smallest = limits.value("mp.mass.size_min")
        if not smallest <= len(openids) <= limits.value("mp.mass.size_max"):
            raise ValueError(f"{len(openids)} people are too few or too many")
        body = {**request, "touser": openids, "clientmsgid": clientmsgid}
        answer: dict[str, Any] = self._request("post", "message/mass/send", data=body)
        return answer

    def mass_preview(self, openid: str, request: dict[str, Any]) -> dict[str, Any]:
        """Show what a mass call would say to one follower, outside all quotas of theirs."""
        body = {**request, "touser": openid}
        answer: dict[str, Any] = self._request(
            "post", "message/mass/preview", data=body
        )
        return answer

    def mass_status(self, msg_id: str) -> str:
        """SENDING, SEND_SUCCESS, SEND_FAIL or DELETE."""
        return str(
            self._request(
                "post",
                "message/mass/get",
                data={"msg_id": msg_id},
                result_processor=lambda data: data["msg_status"],
            )
        )

    def mass_delete(self, msg_id: str, article: int = 0) -> None:
        """Take down the page of an article (0: all); messages stay where they are."""
        body = {"msg_id": msg_id, "article_idx": article}
        self._request("post", "message/mass/delete", data=body)

    def mass_speed(self) -> dict[str, Any]:
        """speed 0 (fastest) to 4, and realspeed in 10,000 people a minute."""
        answer: dict[str, Any] = self._request(
            "post", "message/mass/speed/get", data={}
        )
        return answer

    def set_mass_speed(self, level: int) -> None:
        self._request("post", "message/mass/speed/set", data={"speed": level})

    def add_draft(self, articles: list[dict[str, Any]]) -> str:
        """The media_id of a new draft; an article has title, author, digest, content,
        content_source_url and thumb_media_id."""
        return str(
            self._request(
                "post",
                "draft/add",
                data={"articles": articles},
                result_processor=lambda data: data["media_id"],
            )
        )

    def tags(self) -> list[dict[str, Any]]:
        """All tags: id, name, count."""
        return list(self.tag.get())

    def create_tag(self, name: str) -> dict[str, Any]:
        """{"id", "name"} of the new tag."""
        answer: dict[str, Any] = self.tag.create(name)
        return answer

    def update_tag(self, tag_id: int, name: str) -> None:
        self.tag.update(tag_id, name)

    def delete_tag(self, tag_id: int) -> None:
        self.tag.delete(tag_id)

    def tag_people(self, tag_id: int, openids: list[str]) -> None:
        self._check_size(openids, "mp.tag_batch.size")
        self.tag.tag_user(tag_id, openids)

    def untag_people(self, tag_id: int, openids: list[str]) -> None:
        self._check_size(openids, "mp.tag_batch.size")
        self.tag.untag_user(tag_id, openids)

    def create_qrcode(
        self, scene: str, *, expire_seconds: int | None = None
    ) -> dict[str, Any]:
        """Code with `scene` (1-64 characters), permanent without `expire_seconds`.

        Returns {"ticket", "url", "expire_seconds"?}; see `qrcode_url`.
        """
        if not 1 <= len(scene) <= 64:
            raise ValueError("A scene has 1 to 64 characters.")
        request: dict[str, Any] = {
            "action_name": "QR_LIMIT_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        if expire_seconds is not None:
            longest = limits.value("mp.qrcode_temporary.seconds")
            request["action_name"] = "QR_STR_SCENE"
            request["expire_seconds"] = min(expire_seconds, longest)
        answer: dict[str, Any] = self.qrcode.create(request)
        return answer

    def qrcode_url(self, ticket: str) -> str:
        """Where the picture of a ticket stands; a browser opens it without a token."""
        base = self.app.account.api_base_url or "https://mp.weixin.qq.com"
        return f"{base.rstrip('/')}/cgi-bin/showqrcode?ticket={quote(ticket, safe='')}"

    def check_callback(self) -> dict[str, Any]:
        """The platform's own probe of DNS and ping from its side."""
        body = {"action": "all", "check_operator": "DEFAULT"}
        answer: dict[str, Any] = self._request("post", "callback/check", data=body)
        return answer

    def quota(self, path: str) -> dict[str, Any]:
        """daily_limit, used and remain of an API path such as "/cgi-bin/user/get"."""
        answer: dict[str, Any] = self._request(
            "post",
            "openapi/quota/get",
            data={"cgi_path": path},
            result_processor=lambda data: data["quota"],
            api_base_url=BASE,
        )
        return answer

    @staticmethod
    def _check_size(items: list[str], limit: str) -> None:
        if not 1 <= len(items) <= limits.value(limit):
            raise ValueError(f"{len(items)} items are too many or none ({limit}).")
