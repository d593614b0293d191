"""The stock Django admin over a plaintext copy of the members, for bench.members alone.

    python -m bench.stock_admin < {"database": URL, "rounds": 3, "questions": {name: query}}

A process of its own with plain settings: no theme, no scope, nothing of ours but the
rows. It has what the list of ours shows (stage, value, accounts, tags, store, owner,
marketing, last seen), the same filters, and the same search: name, remark, pinyin
initials, phone, ids and order numbers. Columns of many-to-many rows are methods, each
with a statement of its own for every line, as the documentation of `list_display` says:
https://docs.djangoproject.com/en/5.2/ref/contrib/admin/#django.contrib.admin.ModelAdmin.list_display
In its favour: 50 lines a page instead of 100, no session, log-in or CSRF to read, and ids
and order numbers are looked for whole.

Every question but searches is asked of a second admin too, whose author overrode
`get_queryset` to prefetch these rows.
Prints {"stock": {name: [ms, …]}, "prefetching": {name: [ms, …]}} as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

COPY = """
DROP TABLE IF EXISTS bench_member;
CREATE TABLE bench_member AS SELECT id, controller_id, org_unit_id, display_name,
    is_placeholder_name, remark, stage, rfm, trust, owner_id, gender, birthday, city,
    ''::text AS real_name, ''::text AS phone, is_reachable, unreachable_at, opted_out_at,
    frozen_until, no_personalisation, purge_due_at, purged_at, merged_into_id,
    first_seen_at, last_seen_at,
    (SELECT coalesce(max(substr(token, 2)), '') FROM unnest(name_tokens) token
        WHERE token LIKE '~%') AS initials FROM crm_member;
ALTER TABLE bench_member ADD PRIMARY KEY (id);
CREATE INDEX bench_member_owner ON bench_member (owner_id);
CREATE INDEX bench_member_unit ON bench_member (org_unit_id);
"""


def configure(database: str) -> None:
    import django
    from django.conf import settings

    parts = urlsplit(database)
    settings.configure(
        SECRET_KEY="bench",  # noqa: S106
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["testserver"],
        USE_TZ=True,
        INSTALLED_APPS=[
            *("django.contrib.admin", "django.contrib.auth"),
            *("django.contrib.contenttypes", "django.contrib.sessions"),
            *("django.contrib.messages", "django.contrib.staticfiles", "bench"),
        ],
        STATIC_URL="/static/",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            f"{__name__}.everybody_is_root",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": parts.hostname,
                "PORT": parts.port,
                "USER": parts.username,
                "PASSWORD": parts.password,
                "NAME": parts.path.strip("/"),
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()


def everybody_is_root(answer: Any) -> Any:
    from django.contrib.auth.models import User

    def middleware(request: Any) -> Any:
        request.user = User(pk=1, username="bench", is_staff=True, is_superuser=True)
        return answer(request)

    return middleware


def define() -> None:
    """The models over our tables and the admin, as a project without us would have them."""
    from django.contrib import admin
    from django.urls import path

    member, stock = _member(), _member_admin()
    admin.site.register(member, stock)
    meta = type("Meta", (), {"proxy": True, "app_label": "bench"})
    proxy = type("Prefetched", (member,), {"__module__": __name__, "Meta": meta})
    admin.site.register(proxy, _prefetching(stock))
    globals()["urlpatterns"] = [path("admin/", admin.site.urls)]


def _table(called: str, db_table: str, /, **fields: Any) -> Any:
    from django.db import models

    meta = {"app_label": "bench", "managed": False, "db_table": db_table}
    members = {"__module__": __name__, "Meta": type("Meta", (), meta), **fields}
    members["__str__"] = lambda row: getattr(row, "name", "") or row.display_name
    return type(called, (models.Model,), members)


def _member() -> Any:
    """The model of bench_member, with those it points to."""
    from django.db import models

    def text(**more: Any) -> Any:
        return models.CharField(max_length=80, **more)

    def link(to: Any, **more: Any) -> Any:
        return models.ForeignKey(to, on_delete=models.PROTECT, null=True, **more)

    unit = _table("OrgUnit", "staff_orgunit", name=text())
    staff = _table("Colleague", "staff_staff", display_name=text())
    account = _table("Account", "wechat_account", name=text())
    tag = _table("Tag", "crm_tag", name=text())
    member = _table(
        "Member",
        "bench_member",
        display_name=text(),
        remark=text(),
        initials=text(),
        phone=text(),
        stage=text(choices=[(word, word) for word in _STAGES]),
        rfm=text(choices=[(word, word) for word in _RFM]),
        trust=text(choices=[(word, word) for word in ("T0", "T1", "T2", "T3")]),
        owner=link(staff),
        org_unit=link(unit),
        is_reachable=models.BooleanField(),
        opted_out_at=models.DateTimeField(null=True),
        last_seen_at=models.DateTimeField(),
        tags=models.ManyToManyField(tag, through="bench.MemberTag"),
        accounts=models.ManyToManyField(account, through="bench.Identity"),
    )
    _table("MemberTag", "crm_membertag", member=link(member), tag=link(tag))
    _table(
        "Identity",
        "crm_identity",
        member=link(member),
        account=link(account),
        value=text(),
    )
    _table("Order", "crm_order", code=text(), member=link(member))
    return member


def _member_admin() -> Any:
    from django.contrib import admin

    class MemberAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
        list_display = (
            *("__str__", "stage", "rfm", "trust", "accounts_shown", "tags_shown"),
            *("org_unit", "owner", "is_reachable", "opted_out_at", "last_seen_at"),
        )
        list_filter = (
            *("stage", "rfm", "trust", "is_reachable", "org_unit", "owner"),
            *("accounts", "tags", "last_seen_at"),
            ("opted_out_at", admin.EmptyFieldListFilter),
        )
        search_fields = (
            *("display_name", "remark", "initials", "phone"),
            *("=identity__value", "=order__code"),
        )
        list_select_related = ("org_unit", "owner")
        ordering = ("-last_seen_at", "-id")
        list_per_page = 50

        def accounts_shown(self, row: Any) -> str:
            return ", ".join(str(one) for one in row.accounts.all() if one)

        def tags_shown(self, row: Any) -> str:
            return ", ".join(str(one) for one in row.tags.all())

    return MemberAdmin


def _prefetching(stock: Any) -> Any:
    class Prefetching(stock):
        def get_queryset(self, request: Any) -> Any:
            return super().get_queryset(request).prefetch_related("accounts", "tags")

    return Prefetching


_STAGES = (
    *("prospect", "new", "growing", "loyal"),
    *("at_risk", "dormant", "churned", "won_back"),
)
_RFM = ("rfm", "rm", "fm", "m", "rf", "r", "f", "none")


def main() -> None:
    asked = json.load(sys.stdin)
    configure(asked["database"])
    define()
    from django.test import Client

    client = Client()
    found: dict[str, dict[str, list[float]]] = {}
    for kind, page in (("stock", "member"), ("prefetching", "prefetched")):
        address = f"/admin/bench/{page}/"
        client.get(f"{address}?o=")
        found[kind] = {
            name: _times(client, f"{address}?{query}", asked["rounds"])
            for name, query in asked["questions"].items()
            # A search takes seconds, beside which a page's related rows are nothing.
            if kind == "stock" or not query.startswith("q=")
        }
    json.dump(found, sys.stdout)


def _times(client: Any, path: str, rounds: int) -> list[float]:
    times = []
    for _round in range(rounds):
        begun = time.perf_counter()
        answer = client.get(path)
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    return times


if __name__ == "__main__":
    # The settings name this module: there must be one of it.
    from bench import stock_admin

    stock_admin.main()
