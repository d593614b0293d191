"""Calls of WeCom (https://developer.work.weixin.qq.com/document/path/90664)."""

from __future__ import annotations

from typing import Any

from wechatpy.work import WeChatClient

from wechat import limits
from wechat.api import transport
from wechat.api.client import OwnTransport
from wechat.api.kf_messages import KfMessages
from wechat.models import App

BASE = "https://qyapi.weixin.qq.com/cgi-bin/"


class WecomClient(OwnTransport, WeChatClient):
    """The calls the console uses; every method raises PlatformError."""

    kf_message = KfMessages()

    def __init__(self, app: App) -> None:
        self.app = app
        super().__init__(app.app_id, "", timeout=0, auto_retry=False)

    def contact(self, external_userid: str, cursor: str = "") -> dict[str, Any]:
        """external_contact, follow_user[], next_cursor?."""
        params = {"external_userid": external_userid}
        if cursor:
            params["cursor"] = cursor
        answer: dict[str, Any] = self._request(
            "get", "externalcontact/get", params=params
        )
        return answer

    def follow_users(self) -> list[str]:
        """userids of the colleagues who may have customers."""
        return list(
            self._request(
                "get",
                "externalcontact/get_follow_user_list",
                result_processor=lambda data: data["follow_user"],
            )
        )

    def contacts_of(self, userids: list[str], cursor: str = "") -> dict[str, Any]:
        """One page: external_contact_list[]{external_contact, follow_info}, next_cursor.

        wechatpy sends "userid"; the platform takes "userid_list".
        """
        size = limits.value("wecom.contact_batch.size")
        if not 1 <= len(userids) <= size:
            raise ValueError(f"{len(userids)} colleagues are too many or none.")
        answer: dict[str, Any] = self._request(
            "post",
            "externalcontact/batch/get_by_user",
            data={"userid_list": userids, "cursor": cursor, "limit": size},
        )
        return answer

    def send_welcome(
        self, welcome_code: str, text: str, *, image_media_id: str = ""
    ) -> dict[str, Any]:
        """Within 20 s of the event, once (doc 92137)."""
        body: dict[str, Any] = {"welcome_code": welcome_code}
        if text:
            body["text"] = {"content": text}
        if image_media_id:
            image = {"msgtype": "image", "image": {"media_id": image_media_id}}
            body["attachments"] = [image]
        answer: dict[str, Any] = self.external_contact.send_welcome_msg(body)
        return answer

    def add_contact_way(
        self, userids: list[str], *, state: str, remark: str = ""
    ) -> dict[str, Any]:
        """config_id and qr_code of a new code that adds one of `userids`."""
        body = {
            "type": 1 if len(userids) == 1 else 2,
            "scene": 2,
            "user": userids,
            "state": state,
            "remark": remark,
            "skip_verify": True,
        }
        answer: dict[str, Any] = self._request(
            "post", "externalcontact/add_contact_way", data=body
        )
        return answer

    def colleague(self, userid: str) -> dict[str, Any]:
        """name, department, … of a member of the corp."""
        answer: dict[str, Any] = self._request(
            "get", "user/get", params={"userid": userid}
        )
        return answer

    def colleagues(self, department_id: int = 1) -> list[dict[str, Any]]:
        """userid and name of the members of a department and those below it."""
        return list(
            self._request(
                "get",
                "user/simplelist",
                params={"department_id": department_id, "fetch_child": 1},
                result_processor=lambda data: data["userlist"],
            )
        )

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

    def download_media(self, media_id: str) -> transport.Answer:
        return self.call(
            "get",
            f"{BASE}media/get",
            params={"media_id": media_id},
            max_bytes=transport.MAX_MEDIA_BYTES,
        )

    def kf_sync(
        self, open_kfid: str, *, cursor: str = "", token: str = "", limit: int = 0
    ) -> dict[str, Any]:
        """One page: msg_list[], next_cursor, has_more (0/1).

        wechatpy leaves open_kfid out, which the platform demands. Without `token` (of
        the newest callback, 10 minutes) the platform allows few calls.
        """
        body: dict[str, Any] = {
            "open_kfid": open_kfid,
            "limit": limit or limits.value("kf.sync.size"),
        }
        if cursor:
            body["cursor"] = cursor
        if token:
            body["token"] = token
        answer: dict[str, Any] = self._request("post", "kf/sync_msg", data=body)
        return answer

    def kf_customers(self, external_userids: list[str]) -> list[dict[str, Any]]:
        """external_userid, nickname, unionid? of up to 100 people kf knows (95159)."""
        body = {
            "external_userid_list": external_userids,
            "need_enter_session_context": 0,
        }
        return list(
            self._request(
                "post",
                "kf/customer/batchget",
                data=body,
                result_processor=lambda data: data["customer_list"],
            )
        )

    def kf_accounts(self, offset: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """open_kfid, name, … by POST; wechatpy's GET has no pages."""
        return list(
            self._request(
                "post",
                "kf/account/list",
                data={"offset": offset, "limit": limit},
                result_processor=lambda data: data["account_list"],
            )
        )
