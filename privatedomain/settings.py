"""Settings, all from the environment; wrong configuration is a system check.

`script/up` writes the environment of a running copy; production sets the same names
(docs/production.md lists them).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def env_bool(name: str, default: bool = False) -> bool:
    return env(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    return int(env(name) or default)


def env_float(name: str, default: float) -> float:
    return float(env(name) or default)


DEBUG = env_bool("DEBUG")
DEMO = env_bool("DEMO")
DATA_DIR = Path(env("DATA_DIR") or BASE_DIR / "var").resolve()
PORT = env_int("PORT", 8000)
LIVE_PORT = env_int("LIVE_PORT", 8002)
SANDBOX_PORT = env_int("SANDBOX_PORT", 8001)
# Cookies and Redis keys carry the instance, so that two copies live in one browser.
INSTANCE = env("INSTANCE") or f"p{PORT}"
PUBLIC_URL = env("PUBLIC_URL") or f"http://127.0.0.1:{PORT}"
# Where pages open their WebSocket; behind one nginx origin it is PUBLIC_URL itself.
LIVE_URL = env("LIVE_URL") or (
    PUBLIC_URL if env("PUBLIC_URL") else f"http://127.0.0.1:{LIVE_PORT}"
)
# Asked by /readyz; any answer of the live process is a sign of life.
LIVE_HEALTH_URL = env("LIVE_HEALTH_URL") or f"http://127.0.0.1:{LIVE_PORT}/ws/health"
SANDBOX_URL = env("SANDBOX_URL") or f"http://127.0.0.1:{SANDBOX_PORT}"
# What the platforms see us come from, for their lists of trusted IPs.
OUTBOUND_IP = env("OUTBOUND_IP") or ("127.0.0.1" if DEMO else "")
IS_HTTPS = PUBLIC_URL.startswith("https://")

INSECURE_SECRET_KEY = "insecure-only-for-building-and-checking"  # noqa: S105
SECRET_KEY = env("SECRET_KEY") or INSECURE_SECRET_KEY
# Former keys, comma separated: links in messages already sent stay valid.
SECRET_KEY_FALLBACKS = [key for key in env("SECRET_KEY_FALLBACKS").split(",") if key]
# Fernet keys, comma separated: the first encrypts, all decrypt (core.encryption).
FIELD_KEYS = [key for key in env("FIELD_KEYS").split(",") if key]
# Key of the blind indexes (phone look-up).
SEARCH_KEY = env("SEARCH_KEY") or SECRET_KEY
ALLOWED_HOSTS = [h for h in env("ALLOWED_HOSTS").split(",") if h] or [
    urlparse(PUBLIC_URL).hostname or "127.0.0.1",
    "127.0.0.1",
    "localhost",
]


def _under_both_names(url: str) -> list[str]:
    """A loopback URL under both names of this machine: people type either."""
    names = ("//127.0.0.1", "//localhost")
    own = next((name for name in names if f"{name}:" in f"{url}:"), None)
    return [url.replace(own, name) for name in names] if own else [url]


CSRF_TRUSTED_ORIGINS = _under_both_names(PUBLIC_URL)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the site is ours
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "privatedomain.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # Ours, lowest layer first: ready() fills the registries in this order.
    "core",
    "staff",
    "wechat",
    "content",
    "crm",
    "campaigns",
    "service",
    "reports",
    # After ours: a word both translate reads as we say it ("Name").
    "axes",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "privatedomain.apps.PrivatedomainConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "staff.middleware.LanguageMiddleware",
    "staff.middleware.SessionMiddleware",
    "staff.middleware.FirstPasswordMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "core.middleware.RefuseNulMiddleware",
    "core.middleware.WrongMethodMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "privatedomain.urls"
WSGI_APPLICATION = "privatedomain.wsgi.application"
ASGI_APPLICATION = "privatedomain.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def database(url: str) -> dict[str, Any]:
    """Read `postgresql://user:password@host:port/name` into Django's form."""
    parts = urlparse(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/") or "privatedomain",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        # PgBouncer in transaction mode must work: no session state.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "prepare_threshold": None,
            "connect_timeout": 3,
            **(
                {
                    "pool": {
                        "min_size": 1,
                        "max_size": env_int("DB_POOL", 12),
                        "timeout": 5,
                    }
                }
                if env_bool("DB_POOLED", True)
                else {}
            ),
            **(
                {"options": env("DB_SESSION_OPTIONS")}
                if env("DB_SESSION_OPTIONS")
                else {}
            ),
        },
    }


DATABASES = {
    "default": database(
        env("DATABASE_URL") or "postgresql://postgres@127.0.0.1:5432/privatedomain"
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ATOMIC_REQUESTS = False

REDIS_URL = env("REDIS_URL") or "redis://127.0.0.1:6379/0"
REDIS_TIMEOUT_SECONDS = 1
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": INSTANCE,
        "OPTIONS": {
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
            "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
        },
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL}], "prefix": f"{INSTANCE}:live"},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "wechat.tasks.drain_inbox": {"queue": "realtime"},
    "wechat.tasks.drain_outbox": {"queue": "realtime"},
    "wechat.tasks.pull_kf": {"queue": "realtime"},
    "wechat.tasks.drain_bulk": {"queue": "bulk"},
    "wechat.tasks.drain_mass": {"queue": "bulk"},
    "campaigns.tasks.drain_touches": {"queue": "bulk"},
    "wechat.tasks.sync_all_contacts": {"queue": "bulk"},
    "crm.tasks.purge_members": {"queue": "bulk"},
    "crm.tasks.expire_tags": {"queue": "bulk"},
    "crm.tasks.sweep_exchange": {"queue": "bulk"},
    "core.tasks.run_jobs": {"queue": "bulk"},
}
# A ring is shorter than a log-in at PostgreSQL: a worker's tasks share a connection
# (privatedomain.celery looks at it before each).
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SOFT_TIME_LIMIT = 600
CELERY_TIMEZONE = "Asia/Shanghai"
CELERY_BEAT_SCHEDULER = "privatedomain.heartbeats:Scheduler"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": REDIS_TIMEOUT_SECONDS,
    "socket_connect_timeout": REDIS_TIMEOUT_SECONDS,
    "retry_on_timeout": True,
    "visibility_timeout": 3600,
    "global_keyprefix": f"{INSTANCE}:",
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
DJANGO_CELERY_BEAT_TZ_AWARE = True

# A night's segments: one takes one core of PostgreSQL.
SEGMENTS_AT_ONCE = env_int("SEGMENTS_AT_ONCE", min(os.cpu_count() or 1, 4))

# How long a claimed row belongs to its worker, and how often rows are looked for
# when no doorbell rang. Fault tests set them to a second or two.
LEASE_SECONDS = env_float("LEASE_SECONDS", 30)
SWEEP_SECONDS = env_float("SWEEP_SECONDS", 5)
# A mass call whose answer is open is made again after so long: the platform refuses
# the same key within a minute.
MASS_REPLAY_SECONDS = env_float("MASS_REPLAY_SECONDS", 61)
# Connect and read time-outs of calls to the platforms, in seconds.
PLATFORM_TIMEOUT = (
    env_float("PLATFORM_CONNECT_SECONDS", 3),
    env_float("PLATFORM_READ_SECONDS", 10),
)

AUTH_USER_MODEL = "staff.Staff"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# The form says when to come back; trying before then does not make it later.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "staff.lockout.Handler"
# Whatever the accounts: one address that guesses at many of them. A whole office behind
# one address stays far below it.
LOGIN_FAILURES_PER_ADDRESS = 30
AXES_CLIENT_IP_CALLABLE = "staff.lockout.client_ip"
AXES_LOCKOUT_CALLABLE = "staff.lockout.response"
AXES_VERBOSE = False
# How many proxies of our own stand in front of the web process.
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 0)
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

_COOKIE_PREFIX = f"{'__Host-' if IS_HTTPS else ''}pd-{INSTANCE}"
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}-session"
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}-csrf"
LANGUAGE_COOKIE_NAME = f"{_COOKIE_PREFIX}-language"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
# A session ends after a working day whatever happens, and after two hours in which
# nobody did anything: an agent's page refreshes itself (X-Background) and must not keep
# an abandoned desk signed in, yet a lunch break should not cost the draft of a reply.
SESSION_ABSOLUTE_SECONDS = SESSION_COOKIE_AGE = 12 * 3600
SESSION_IDLE_SECONDS = 2 * 3600
SESSION_ENGINE = "staff.sessions"
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^readyz$"]  # probes ask the process itself
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
)
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

_LIVE_WS = LIVE_URL.replace("http", "ws", 1)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        # Alpine, which the theme is built on, evaluates expressions.
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "connect-src": ["'self'", *_under_both_names(_LIVE_WS)],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(env("STATIC_ROOT") or BASE_DIR / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if not env_bool("PLAIN_STATIC")
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
MEDIA_ROOT = DATA_DIR / "media"  # never served as files: views check and send them
SPOOL_DIR = DATA_DIR / "spool"
# The largest file anybody may upload; small ones stay in memory.
MAX_UPLOAD_BYTES = 200 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "core.uploads.LimitedUpload",
]
LOG_DIR = DATA_DIR / "logs"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["staff.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.rest.wire.BoundedJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.rest.wire.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.rest.errors.handle",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Private-domain operations console",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "PREPROCESSING_HOOKS": ["privatedomain.api.keep_one_spelling"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "privatedomain.api.drop_titles",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "AccountKind": "wechat.models.Account.Kind",
        "AccountState": "wechat.models.Account.State",
        "ContentKind": "content.models.Item.Kind",
        "ContentState": "content.models.Item.State",
        "ConversationState": "service.models.Conversation.State",
        "IdentityKind": "crm.models.Identity.Kind",
        "SegmentKind": "crm.models.Segment.Kind",
        "SegmentState": "crm.segment_api.STATE_CHOICES",
        "InboundState": "wechat.models.InboundEvent.State",
        "MessageKind": "service.models.Message.Kind",
        "OutboundKind": "wechat.models.OutboundMessage.Kind",
        "OutboundState": "wechat.models.OutboundMessage.State",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "filters": {"refusals": {"()": "core.refusals.InOneLine"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["refusals"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", "INFO")},
    "loggers": {
        # Request lines of the HTTP clients carry access tokens in the query string.
        "urllib3": {"level": "WARNING"},
        "requests": {"level": "WARNING"},
        "wechatpy": {"level": "WARNING"},
    },
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("Private-domain console"),
    "SITE_HEADER": _("Private-domain console"),
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("img/mark.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "sizes": "any",
            "href": lambda request: static("img/mark.svg"),
        }
    ],
    "STYLES": [lambda request: static("build/console.css")],
    "SCRIPTS": [lambda request: static("js/console.js")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {"action": lambda request: reverse("admin:language")},
    "ACCOUNT": {
        "navigation": [
            {"title": _("My account"), "link": lambda request: reverse("admin:me")},
            {
                "title": _("Change password"),
                "link": lambda request: reverse("admin:password_change"),
            },
        ]
    },
    "BORDER_RADIUS": "5px",
    "LOGIN": {"form": "staff.forms.LoginForm"},
    "COMMAND": {"search_models": True, "show_history": False},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
    },
    "COLORS": {
        # One accent: a calm teal, dark enough for white text at 600 (5.3 : 1).
        "primary": {
            "50": "oklch(98.4% .014 186)",
            "100": "oklch(95.3% .035 186)",
            "200": "oklch(90.5% .06 186)",
            "300": "oklch(84% .085 186)",
            "400": "oklch(74% .1 186)",
            "500": "oklch(63% .1 186)",
            "600": "oklch(51% .088 188)",
            "700": "oklch(45% .078 189)",
            "800": "oklch(39% .066 190)",
            "900": "oklch(34% .055 190)",
            "950": "oklch(25% .042 192)",
        },
    },
}
