"""The OpenAPI document and the page that shows it."""

import json
import os

import pytest

from privatedomain.processes import BASE_DIR

SNAPSHOT = BASE_DIR / "docs" / "openapi.json"


def test_the_document_is_the_one_in_docs(client):
    """A change of the API is a change of docs/openapi.json (see docs/api.md)."""
    told = client.get("/api/v1/schema/", headers={"Accept-Language": "zh-hans"})

    if os.environ.get("UPDATE_OPENAPI"):
        text = json.dumps(told.json(), indent=2, ensure_ascii=False)
        SNAPSHOT.write_text(f"{text}\n")

    assert told.headers["Content-Type"] == "application/json"
    assert told.json() == json.loads(SNAPSHOT.read_text())


def test_every_operation_needs_a_token_and_documents_its_refusals(client):
    paths = client.get("/api/v1/schema/").json()["paths"]

    operations = [each for methods in paths.values() for each in methods.values()]
    assert len(operations) == 37
    for operation in operations:
        assert operation["security"] == [{"token": []}]
        assert {"400", "401", "403"} <= set(operation["responses"])


def test_the_page_asks_for_a_log_in(client):
    answer = client.get("/admin/api/")

    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["Location"]


@pytest.mark.django_db
def test_the_page_draws_the_document_from_our_own_files(client, make_staff):
    client.force_login(make_staff("agent"))

    page = client.get("/admin/api/").content.decode()

    assert 'data-schema-url="/api/v1/schema/"' in page
    assert "//cdn" not in page
    assert "jsdelivr" not in page
