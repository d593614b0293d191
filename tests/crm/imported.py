"""Files sent in as people do it: uploaded, columns assigned, checked, imported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from core import jobs
from crm.models import Import, ImportProblem
from tests.conftest import build_staff

HEAD = "手机号,姓名,城市,会员号\n"


def with_manager(world: SimpleNamespace, settings: Any, folder: Any) -> SimpleNamespace:
    """The world with a folder for files and somebody of the brand who may import."""
    settings.DATA_DIR = folder
    world.manager = build_staff("ops_manager", org_unit=world.brand)
    world.client = Client()
    world.client.force_login(world.manager)
    return world


def send(
    client: Client, content: bytes | str, name: str = "会员.csv", kind: str = "members"
) -> Any:
    body = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile(name, body)
    return client.post(reverse("admin:crm_imports"), {"kind": kind, "file": file})


def uploaded(client: Client, content: bytes | str, **more: Any) -> Import:
    response = send(client, content, **more)
    assert response.status_code == 302, response.context["error"]
    return Import.objects.latest("pk")


def assign(client: Client, batch: Import, **options: Any) -> Any:
    data = {f"c{at}": name for name, at in batch.mapping.items()}
    return client.post(
        reverse("admin:crm_import_act", args=[batch.pk]),
        {"act": "assign", **data, **options},
    )


def act(client: Client, batch: Import, what: str) -> Any:
    return client.post(reverse("admin:crm_import_act", args=[batch.pk]), {"act": what})


def bring_in(
    client: Client,
    content: bytes | str,
    more: dict[str, Any] | None = None,
    **options: Any,
) -> Import:
    """Upload, assign as guessed, check and import."""
    batch = uploaded(client, content, **(more or {}))
    response = assign(client, batch, **options)
    assert response.status_code == 302, response.context["error"]
    act(client, batch, "begin")
    jobs.drain()
    batch.refresh_from_db()
    return batch


def problems(batch: Import, *, is_check: bool = False) -> list[tuple[int, str, str]]:
    rows = ImportProblem.objects.filter(batch=batch, is_check=is_check)
    return [(row.line, row.column, row.code) for row in rows]
