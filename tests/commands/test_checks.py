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


# Everything that is wrong is said at once, each of it enough to stop.
WRONG = {
    "of a demo": (
        new_secrets(is_demo=True) | {"DEMO": "1", "FIELD_KEYS": ""},
        [
            *("FIELD_KEYS is empty", "DEMO is on"),
            *("SECRET_KEY was made for a demo", "SEARCH_KEY was made for a demo"),
        ],
    ),
    "missing and broken": (
        {"SECRET_KEY": "", "FIELD_KEYS": f"{Fernet.generate_key().decode()},oops"},
        ["SECRET_KEY is the demo's or too short", "no Fernet key"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_production_copy_with_wrong_secrets_refuses_to_start(wrong):
    environment, expected = WRONG[wrong]
    code, said = _entry(**(PUBLIC | environment))

    assert code != 0
    refusal = said.partition("ImproperlyConfigured: ")[2]
    assert [each for each in expected if each not in refusal] == []
    assert refusal.count("HINT") == len(expected)
