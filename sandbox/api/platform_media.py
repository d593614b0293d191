"""Temporary files: up, and down again within three days.

https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia
https://developer.work.weixin.qq.com/document/path/90253
"""

from sandbox import media
from sandbox.api.registry import MP, OK, QY, Answer, Blob, Call, Refusal, endpoint
from sandbox.models import Media

MEGABYTE = 1024 * 1024
LIMITS = {
    MP: {"image": 10, "voice": 2, "video": 10, "thumb": 1},
    QY: {"image": 10, "voice": 2, "video": 10, "file": 20},
}


def file_of(
    call: Call, *, kind: str = "", most_megabytes: int = 0
) -> tuple[str, str, str, bytes]:
    """Kind, name, content type and content of the uploaded file, all checked."""
    kind = kind or call.query.get("type", "")
    limit = most_megabytes or LIMITS[call.platform].get(kind)
    if limit is None:
        raise Refusal(40004, "invalid media type")
    file = call.files.get("media") or next(iter(call.files.values()), None)
    if file is None:
        raise Refusal(41005, "media data missing")
    content = file.read()
    if len(content) > limit * MEGABYTE:
        raise Refusal(40006, "invalid meida size")
    if not content or (call.platform == QY and len(content) <= 5):
        raise Refusal(40006, "invalid meida size")
    content_type = file.content_type or "application/octet-stream"
    if kind in ("image", "thumb"):
        found = media.image_type(content)
        if found is None:
            raise Refusal(40005, "invalid file type")
        content_type = found
    return kind, file.name or "file", content_type, content


def _upload(call: Call) -> Media:
    return media.store(call.account, *file_of(call))


@endpoint(MP, "POST", "media/upload")
def upload(call: Call) -> Answer:
    row = _upload(call)
    name = "thumb_media_id" if row.type == "thumb" else "media_id"
    return {"type": row.type, name: row.media_id, "created_at": int(row.created_at)}


@endpoint(QY, "POST", "media/upload")
def upload_wecom(call: Call) -> Answer:
    row = _upload(call)
    return {
        **OK,
        "type": row.type,
        "media_id": row.media_id,
        "created_at": str(int(row.created_at)),
    }


@endpoint(MP, "GET", "media/get")
@endpoint(QY, "GET", "media/get")
def download(call: Call) -> Answer:
    row = media.usable(call.account, call.query.get("media_id", ""))
    if row is None:
        raise Refusal(40007, "invalid media_id")
    return Blob(media.content_of(row), row.content_type, row.filename)
