"""Messages of WeChat Customer Service, with the bodies the platform takes.

Of doc 94677 (https://developer.work.weixin.qq.com/document/path/94677) wechatpy gets
three kinds wrong, and the platform refuses them: the object of a location and of a mini
program stands under "msgmenu", a link is sent as "news" with a link in a link.
"""

from __future__ import annotations

from typing import Any

from wechatpy.work.client.api import WeChatKFMessage


class KfMessages(WeChatKFMessage):
    """`kf_message` of our client; each sender raises PlatformError.

    `msgid`: the caller's own number of the message, 32 bytes at most, once per account.
    """

    def send_articles_link(
        self, user_id: str, open_kfid: str, article: dict[str, str], msgid: str = ""
    ) -> dict[str, Any]:
        """A picture with a link. `article`: title, url, thumb_media_id and desc?."""
        link = {name: article[name] for name in ("title", "url", "thumb_media_id")} | {
            "desc": article.get("desc", "")
        }
        return self._send(user_id, open_kfid, "link", link, msgid)

    def send_location(
        self,
        user_id: str,
        open_kfid: str,
        name: str,
        address: str,
        latitude: float,
        longitude: float,
        msgid: str = "",
    ) -> dict[str, Any]:
        """A place on the map; latitude and longitude in degrees."""
        place = {
            "name": name,
            "address": address,
            "latitude": latitude,
            "longitude": longitude,
        }
        return self._send(user_id, open_kfid, "location", place, msgid)

    def send_miniprogram(
        self,
        user_id: str,
        open_kfid: str,
        appid: str,
        title: str,
        thumb_media_id: str,
        pagepath: str,
        msgid: str = "",
    ) -> dict[str, Any]:
        """A card that opens a page of a mini program of the corp."""
        program = {
            "appid": appid,
            "title": title,
            "thumb_media_id": thumb_media_id,
            "pagepath": pagepath,
        }
        return self._send(user_id, open_kfid, "miniprogram", program, msgid)

    def _send(
        self, user_id: str, open_kfid: str, kind: str, content: Any, msgid: str
    ) -> dict[str, Any]:
        message = {"msgtype": kind, kind: content}
        answer: dict[str, Any] = self.send(user_id, open_kfid, msgid, message)
        return answer
