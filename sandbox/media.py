"""Files that people and the console sent: kept three days, as the platforms do."""

import mimetypes
from pathlib import Path

from django.conf import settings
from django.db.models import Q

from sandbox import clock, ids, options
from sandbox.models import Account, Media

SAMPLES = Path(__file__).resolve().parent / "static" / "sandbox" / "samples"
IMAGE_TYPES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
}


def image_type(content: bytes) -> str | None:
    """The content type by the first bytes, for the pictures phones send."""
    for head, name in IMAGE_TYPES.items():
        if content.startswith(head):
            return name
    return None


def store(
    account: Account,
    kind: str,
    filename: str,
    content_type: str,
    content: bytes,
    *,
    is_permanent: bool = False,
) -> Media:
    media_id = ids.random_letters(64)
    folder = Path(settings.MEDIA_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / media_id).write_bytes(content)
    return Media.objects.create(
        media_id=media_id,
        account=account,
        type=kind,
        filename=Path(filename).name[:120] or "file",
        content_type=content_type,
        size=len(content),
        created_at=clock.now(),
        is_permanent=is_permanent,
    )


def content_of(media: Media) -> bytes:
    return (Path(settings.MEDIA_DIR) / media.media_id).read_bytes()


def usable(account: Account, media_id: str) -> Media | None:
    """The file, unless unknown, another account's, or past its three days; permanent
    ones have no end."""
    lifetime = float(options.get("media_lifetime_seconds"))
    is_alive = Q(is_permanent=True) | Q(created_at__gt=clock.now() - lifetime)
    return Media.objects.filter(is_alive, pk=media_id, account=account).first()


def public_url(media: Media) -> str:
    """Where a picture can be fetched without a token (``PicUrl``)."""
    suffix = mimetypes.guess_extension(media.content_type) or ".bin"
    return f"http://127.0.0.1:{settings.PORT}/media/{media.media_id}{suffix}"


def sample(number: int = 0) -> tuple[str, bytes]:
    """One of the pictures that lie on every virtual phone."""
    files = sorted(SAMPLES.glob("*.jpg"))
    path = files[number % len(files)]
    return path.name, path.read_bytes()
