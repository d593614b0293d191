"""A crash point kills the process that was told to die there, once, and no other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from core.crash import crash_point
crash_point("K3")
"""
BASE = {
    "DJANGO_SETTINGS_MODULE": "privatedomain.settings",
    "PUBLIC_URL": "http://127.0.0.1:8400",
}
ROOT = Path(__file__).resolve().parents[2]


def run(**environment: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | BASE | environment,
        cwd=ROOT,
        check=False,
    ).returncode


def test_only_the_named_point_kills():
    assert run(CRASH_AT="K3") == -signal.SIGKILL
    assert run(CRASH_AT="K4") == 0
    assert run() == 0


def test_a_flag_lets_the_next_process_live(tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    assert run(CRASH_AT="K3", CRASH_FLAG=str(flag)) == -signal.SIGKILL
    assert run(CRASH_AT="K3", CRASH_FLAG=str(flag)) == 0


def test_an_installation_with_a_public_address_never_dies():
    assert run(CRASH_AT="K3", PUBLIC_URL="https://console.example.com") == 0
