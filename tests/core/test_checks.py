"""A production environment passes the deploy checks; a demo's secrets do not."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from privatedomain.translations import BASE_DIR

GOOD = {
    "SECRET_KEY": "k3y-" + "abcdefghijklmnopqrstuvwxyz0123456789" * 2,
    "SEARCH_KEY": "another-secret-of-its-own-0123456789",
    "FIELD_KEYS": Fernet.generate_key().decode(),
    "PUBLIC_URL": "https://console.example.com",
    "DEMO": "0",
    "TRUSTED_PROXIES": "1",
    "DEBUG": "0",
}


def _check(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        **GOOD,
        **changes,
    }
    command = [sys.executable, "manage.py", "check", "--deploy"]
    return subprocess.run(
        [*command, "--fail-level", "WARNING"],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_production_environment_is_clean() -> None:
    answer = _check()
    assert answer.returncode == 0, answer.stderr


# One run tells all of them; a key cannot be wrong in two ways at once.
WRONG = [
    {
        "core.E001": {"SECRET_KEY": ""},
        "core.E002": {"SEARCH_KEY": ""},
        "core.E003": {"FIELD_KEYS": ""},
        "core.E005": {"DEMO": "1"},
        "core.E006": {"PUBLIC_URL": "http://console.example.com"},
        "core.E007": {"DEBUG": "1"},
    },
    {"core.E004": {"FIELD_KEYS": "short"}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[" ".join(each) for each in WRONG])
def test_each_demo_setting_is_refused(wrong: dict[str, dict[str, str]]) -> None:
    answer = _check(
        **{name: text for each in wrong.values() for name, text in each.items()}
    )
    assert answer.returncode != 0
    # Any one of them stops the deployment.
    errors = answer.stderr.partition("ERRORS:")[2].partition("WARNINGS:")[0]
    assert set(re.findall(r"core\.\w+", errors)) == set(wrong)
