"""Pictures on both ways: fetched, checked, kept by us; uploaded shortly before use."""

from __future__ import annotations

import io
import uuid
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from PIL import Image

from core import doorbell
from staff.models import Staff
from wechat import limits
from wechat.api import PlatformError, mp_client, wecom_client
from wechat.models import App, Media

# https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_TRIES = 8
# Uploaded again when the platform would drop it before the message surely went.
FRESH = timedelta(minutes=30)
FORMATS = {"JPEG": ("image/jpeg", "jpg"), "PNG": ("image/png", "png")}


class MediaMissing(Exception):
    """The row or its file is gone (deleted with the customer's data, say)."""


class BadImage(ValidationError):
    """Not a picture we take, in words for the person who chose it."""


def clean_image(content: bytes) -> tuple[bytes, str, str, tuple[int, int]]:
    """Re-encode a picture: (bytes, content type, extension, (width, height)).

    What is not pixels (metadata, a second format hidden behind) does not survive.
    Raises BadImage.
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise BadImage(_("The picture is larger than 10 MB."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(
                io.BytesIO(content), formats=["JPEG", "PNG", "GIF", "WEBP", "BMP"]
            ) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BadImage(_("The picture has too many pixels."))
                return _encode(image)
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        if isinstance(error, BadImage):
            raise
        raise BadImage(_("The file is no picture that can be read.")) from None


def _encode(image: Image.Image) -> tuple[bytes, str, str, tuple[int, int]]:
    image.load()
    is_transparent = "A" in image.getbands() or "transparency" in image.info
    kind = "PNG" if is_transparent else "JPEG"
    clean = image.convert("RGBA" if is_transparent else "RGB")
    out = io.BytesIO()
    clean.save(out, kind, **({"quality": 88} if kind == "JPEG" else {}))
    content_type, extension = FORMATS[kind]
    return out.getvalue(), content_type, extension, clean.size


def path_of(media: Media) -> Path:
    """Where its file stands; raises MediaMissing when it is not inside MEDIA_ROOT."""
    return stored_path(media.file)


def stored_path(file: str) -> Path:
    """The same for a path below MEDIA_ROOT, as `write_file` gave it."""
    root = Path(settings.MEDIA_ROOT).resolve()
    path = (root / file).resolve()
    if not file or not path.is_relative_to(root) or not path.is_file():
        raise MediaMissing
    return path


def write_file(content: bytes, extension: str) -> str:
    """Store under a name of our own making; the path below MEDIA_ROOT."""
    name = uuid.uuid4().hex
    relative = f"{name[:2]}/{name}.{extension}"
    path = Path(settings.MEDIA_ROOT) / relative
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o600)
    return relative


def store_outgoing(app: App, content: bytes, *, actor: Staff) -> Media:
    """Keep a picture an agent chose, to be sent through `app`. Raises BadImage."""
    clean, content_type, extension, (width, height) = clean_image(content)
    return Media.objects.create(
        app=app,
        direction="out",
        state=Media.State.STORED,
        file=write_file(clean, extension),
        content_type=content_type,
        size_bytes=len(clean),
        width=width,
        height=height,
        created_by=actor,
    )


def want(app: App, media_id: str) -> Media:
    """Note an incoming picture to be fetched; safe to repeat, in any transaction."""
    known: Media | None = Media.objects.filter(
        app=app, direction="in", media_id=media_id
    ).first()
    if known is not None:
        return known
    media = Media.objects.create(app=app, direction="in", media_id=media_id)
    from wechat.tasks import fetch_media

    doorbell.ring(fetch_media)
    return media


def platform_id(app: App, media_pk: int) -> str:
    """The picture's media_id on the platform, uploaded when it would be too old.

    Raises MediaMissing and PlatformError.
    """
    media: Media | None = Media.objects.filter(
        pk=media_pk, app=app, state=Media.State.STORED
    ).first()
    if media is None:
        raise MediaMissing
    expires = media.media_id_expires_at
    if (
        media.direction == "out"
        and media.media_id
        and expires
        and expires - timezone.now() > FRESH
    ):
        return media.media_id
    path = path_of(media)
    client = wecom_client(app) if app.account.is_wecom else mp_client(app)
    found = client.upload_image(path.read_bytes(), path.name, media.content_type)
    if media.direction == "out":
        media.media_id = found
        media.media_id_expires_at = timezone.now() + timedelta(
            seconds=limits.value("media.lives.seconds")
        )
        media.save(update_fields=["media_id", "media_id_expires_at"])
    return found


def material_id(app: App, media_pk: int) -> str:
    """The picture's media_id as permanent material, which articles need for a cover.

    Raises MediaMissing and PlatformError.
    """
    media: Media | None = Media.objects.filter(
        pk=media_pk, app=app, state=Media.State.STORED
    ).first()
    if media is None:
        raise MediaMissing
    if not media.material_id:
        path = path_of(media)
        media.material_id = mp_client(app).add_material(
            path.read_bytes(), path.name, media.content_type
        )
        media.save(update_fields=["material_id"])
    return media.material_id


def fetch_wanted(limit: int = 50) -> int:
    """Fetch incoming pictures that are due; how many were tried."""
    tried = 0
    while tried < limit:
        media = _claim()
        if media is None:
            break
        _fetch(media)
        tried += 1
    return tried


def _claim() -> Media | None:
    now = timezone.now()
    due = (
        Media.objects.filter(
            Q(next_at=None) | Q(next_at__lte=now), state=Media.State.WANTED
        )
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .order_by("id")
    )
    lease = now + timedelta(seconds=settings.LEASE_SECONDS + 60)
    for pk in due.values_list("pk", flat=True)[:10]:
        if due.filter(pk=pk).update(lease_until=lease, tries=F("tries") + 1):
            media: Media = Media.objects.select_related("app__account").get(pk=pk)
            return media
    return None


def _fetch(media: Media) -> None:
    client = (
        wecom_client(media.app) if media.app.account.is_wecom else mp_client(media.app)
    )
    try:
        answer = client.download_media(media.media_id)
        stored = _kept(media, answer.content)
    except PlatformError as error:
        stored = _failure(media, str(error), is_final=not error.retryable)
    except BadImage as error:
        stored = _failure(media, error.messages[0], is_final=True)
    Media.objects.filter(pk=media.pk, state=Media.State.WANTED).update(
        lease_until=None, **stored
    )


def _kept(media: Media, content: bytes) -> dict[str, Any]:
    clean, content_type, extension, (width, height) = clean_image(content)
    return {
        "state": Media.State.STORED,
        "file": write_file(clean, extension),
        "content_type": content_type,
        "size_bytes": len(clean),
        "width": width,
        "height": height,
        "error": "",
    }


def _failure(media: Media, text: str, *, is_final: bool) -> dict[str, Any]:
    changed: dict[str, Any] = {"error": text[:300]}
    if is_final or media.tries >= MAX_TRIES:
        changed["state"] = Media.State.FAILED
    else:
        changed["next_at"] = timezone.now() + timedelta(seconds=2**media.tries)
    return changed
