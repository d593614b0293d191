"""How refusals of requests are written into the log."""

from __future__ import annotations

import logging


class InOneLine(logging.Filter):
    """Drops the traceback of what was refused on purpose: 400, 403, 404.

    Where it was refused in the code helps nobody; that it was, and whom, is in the line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        # Django says the status: https://docs.djangoproject.com/en/5.2/ref/logging/#django-request
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = None
        return True
