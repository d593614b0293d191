"""Domain verification files at the root of the site."""

import pytest

from wechat.models import VerifyFile

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["MP_verify_aB3dE6gH9.txt", "WW_verify_x1Y2z3.txt"])
def test_a_file_is_served_to_anybody(client, make_app, name):
    VerifyFile.objects.create(
        account=make_app().account, name=name, content="aB3dE6gH9"
    )
    answer = client.get(f"/{name}")
    assert (answer.status_code, answer.content) == (200, b"aB3dE6gH9")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert client.post(f"/{name}").status_code == 405


def test_other_names_are_not_found(client, make_app):
    VerifyFile.objects.create(account=make_app().account, name="other.txt", content="1")
    for name in ("MP_verify_unknown.txt", "other.txt", "x/MP_verify_a.txt"):
        assert client.get(f"/{name}").status_code == 404
