"""What refuses to start: wrong keys, and the demo's secrets on a public address."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from privatedomain.instance import new_secrets
from privatedomain.processes import BASE_DIR

PUBLIC = {"PUBLIC_URL": "https://console.example.com", "TRUSTED_PROXIES": "1"}


def _entry(code="import privatedomain.wsgi", **extra):
    environment = os.environ | new_secrets(is_demo=False) | {"DEMO": "0"} | extra
    environment["DJANGO_SETTINGS_MODULE"] = "privatedomain.settings"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode, answer.stderr


def test_a_production_copy_with_secrets_of_its_own_starts():
    code, said = _entry(**PUBLIC)

    assert code == 0, said


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (new_secrets(is_demo=True), "SECRET_KEY"),
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"DEMO": "1"}, "DEMO is on"),
        ({"FIELD_KEYS": ""}, "FIELD_KEYS"),
        ({"FIELD_KEYS": f"{Fernet.generate_key().decode()},oops"}, "Fernet"),
    ],
    ids=["demo secrets", "no secret", "demo", "no field key", "broken field key"],
)
def test_a_production_copy_with_wrong_secrets_refuses_to_start(wrong, word):
    code, said = _entry(**(PUBLIC | wrong))

    assert code != 0
    assert word in said
