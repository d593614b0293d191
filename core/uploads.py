"""Uploads that stop at a size, onto the disk the console keeps its data on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import (
    FileUploadHandler,
    StopUpload,
    TemporaryFileUploadHandler,
)


class _Arriving(TemporaryUploadedFile):
    """Beside where it will stay, so that keeping it costs a rename."""

    def __init__(self, *given: Any) -> None:
        name, content_type, size, charset, extra = given
        folder = Path(settings.DATA_DIR) / "exchange" / "arriving"
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(suffix=".upload", dir=folder)  # noqa: SIM115
        UploadedFile.__init__(self, file, name, content_type, size, charset, extra)


class LimitedUpload(TemporaryFileUploadHandler):
    """What is too large fills neither memory nor disk.

    The file is then missing from `request.FILES`, the fields before it are there.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        FileUploadHandler.new_file(self, *args, **kwargs)
        self.file = _Arriving(
            self.file_name, self.content_type, 0, self.charset, self.content_type_extra
        )

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.MAX_UPLOAD_BYTES:
            raise StopUpload(connection_reset=False)
        super().receive_data_chunk(raw_data, start)
