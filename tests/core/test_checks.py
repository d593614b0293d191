"""A production environment passes the deploy checks; a demo's secrets do not."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SECRET_KEY": ""}, "core.E001"),
        ({"SEARCH_KEY": ""}, "core.E002"),
        ({"FIELD_KEYS": ""}, "core.E003"),
        ({"FIELD_KEYS": "short"}, "core.E004"),
        ({"DEMO": "1"}, "core.E005"),
        ({"PUBLIC_URL": "http://console.example.com"}, "core.E006"),
        ({"DEBUG": "1"}, "core.E007"),
    ],
)
def test_a_demo_setting_is_refused(changes: dict[str, str], expected: str) -> None:
    answer = _check(**changes)
    assert answer.returncode != 0
    assert expected in answer.stderr
