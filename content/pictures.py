"""Pictures of items: checked and re-encoded on the way in, kept once per unit."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.db import transaction

from content.models import Picture, PictureCopy
from staff.models import OrgUnit, Staff
from wechat import media
from wechat.models import App, Media


def keep(content: bytes, org_unit: OrgUnit, *, actor: Staff) -> Picture:
    """Store a chosen picture; the one that stands when its pixels are known already.

    Raises wechat.media.BadImage.
    """
    clean, content_type, extension, (width, height) = media.clean_image(content)
    sha256 = hashlib.sha256(clean).hexdigest()
    known = Picture.objects.filter(org_unit=org_unit, sha256=sha256).first()
    if known is not None:
        return known
    picture, _made = Picture.objects.get_or_create(
        org_unit=org_unit,
        sha256=sha256,
        defaults={
            "file": media.write_file(clean, extension),
            "content_type": content_type,
            "size_bytes": len(clean),
            "width": width,
            "height": height,
            "created_by": actor,
        },
    )
    return picture


def path_of(picture: Picture) -> Path:
    """Where its file stands; raises wechat.media.MediaMissing."""
    return media.stored_path(picture.file)


def for_app(picture: Picture, app: App, *, actor: Staff) -> Media:
    """The gateway's row of the picture for `app`, made at the first time.

    Raises wechat.media.MediaMissing.
    """
    copy = PictureCopy.objects.filter(picture=picture, app=app).select_related("media")
    found = copy.first()
    if found is not None and found.media.state == Media.State.STORED:
        return found.media
    content = path_of(picture).read_bytes()
    with transaction.atomic():
        # Somebody else may make it at the same time: the picture's row decides.
        Picture.objects.select_for_update(no_key=True).get(pk=picture.pk)
        found = copy.first()
        if found is not None and found.media.state == Media.State.STORED:
            return found.media
        made = media.store_outgoing(app, content, actor=actor)
        PictureCopy.objects.update_or_create(
            picture=picture, app=app, defaults={"media": made}
        )
    return made
