"""QR codes with a scene.

https://developers.weixin.qq.com/doc/service/api/qrcode/qrcodes/api_createqrcode.md
"""

import io
from typing import Any

import segno

from sandbox import clock, ids
from sandbox.api.registry import MP, Answer, Blob, Call, Refusal, endpoint
from sandbox.models import QrCode

LONGEST_SECONDS = 2_592_000
PERMANENT = 100_000


def _scene(body: dict[str, Any], *, is_number: bool, most: int) -> str:
    """The scene as text; without one the platform makes scene 0."""
    info = body.get("action_info")
    scene = info.get("scene") if isinstance(info, dict) else None
    if not isinstance(scene, dict):
        return "0"
    value = scene.get("scene_id" if is_number else "scene_str")
    if is_number:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refusal(40053, "invalid action info")
        if not 1 <= value <= most:
            raise Refusal(40053, "invalid action info")
        return str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        raise Refusal(40053, "invalid action info")
    return value


@endpoint(MP, "POST", "qrcode/create")
def create(call: Call) -> Answer:
    body = call.json
    action = body.get("action_name")
    if action not in (
        "QR_SCENE",
        "QR_STR_SCENE",
        "QR_LIMIT_SCENE",
        "QR_LIMIT_STR_SCENE",
    ):
        raise Refusal(40052, "invalid action name")
    is_permanent, is_number = "LIMIT" in action, "STR" not in action
    scene = _scene(
        body, is_number=is_number, most=PERMANENT if is_permanent else 2**32 - 1
    )
    seconds: int | None = None
    if not is_permanent:
        wanted = body.get("expire_seconds", 60)
        if not isinstance(wanted, int) or not 1 <= wanted <= LONGEST_SECONDS:
            raise Refusal(40051, "invalid expire seconds")
        seconds = wanted
    ticket = "gQ" + ids.random_letters(94)
    row = QrCode.objects.create(
        ticket=ticket,
        account=call.account,
        scene=scene,
        is_number=is_number,
        url="http://weixin.qq.com/q/" + ids.random_letters(22),
        expires_at=None if seconds is None else clock.now() + seconds,
    )
    answer: dict[str, Any] = {"ticket": ticket}
    if seconds is not None:
        answer["expire_seconds"] = seconds
    return {**answer, "url": row.url}


@endpoint(MP, "GET", "showqrcode", needs_token=False)
def show(call: Call) -> Answer:
    """The picture (on mp.weixin.qq.com); the real one is a JPEG or PNG too."""
    row = QrCode.objects.filter(pk=call.query.get("ticket", "")).first()
    if row is None or (row.expires_at is not None and row.expires_at <= clock.now()):
        raise Refusal(40071, "invalid ticket")
    out = io.BytesIO()
    segno.make(row.url, error="m").save(out, kind="png", scale=10, border=4)
    return Blob(out.getvalue(), "image/png")
