"""Settings of the simulator: one process, one SQLite file, loopback only."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
DATA_DIR = Path(
    os.environ.get("SANDBOX_DATA_DIR") or BASE_DIR.parent / "var" / "sandbox"
)
MEDIA_DIR = DATA_DIR / "media"
PORT = int(os.environ.get("SANDBOX_PORT") or 8001)
CONSOLE_URL = (os.environ.get("CONSOLE_URL") or "http://127.0.0.1:8000").rstrip("/")
SEED = (os.environ.get("SANDBOX_SEED") or "1") != "0"

# Nothing is signed with it: there are no sessions and no cookies here.
SECRET_KEY = "sandbox-without-sessions"  # noqa: S105
DEBUG = False
# The guard middleware refuses foreign hosts where it matters, with an answer
# a program can read. The platform's own paths accept any host.
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["sandbox.apps.SandboxConfig"]
MIDDLEWARE = [
    "sandbox.middleware.VirtualDate",
    "sandbox.middleware.LoopbackOnly",
]
ROOT_URLCONF = "sandbox.urls"
WSGI_APPLICATION = "sandbox.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "sandbox.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
            "PRAGMA wal_autocheckpoint=4000;",
        },
    }
}
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
USE_I18N = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 25 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 25 * 1024 * 1024
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    # A 404, or the 502 of a fault, is an answer and no news; a traceback is.
    "filters": {
        "crashes": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                record.name != "django.request" or bool(record.exc_info)
            ),
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["crashes"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
