from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from privatedomain import embedded
from privatedomain.processes import BASE_DIR
from tests.cluster import migrated_cluster


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder the servers' own user can enter, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="privatedomain-commands-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def template() -> Path:
    return migrated_cluster()


@dataclass
class Copy:
    """What a person has: a folder, three ports and the scripts."""

    data_dir: Path
    environment: dict[str, str]

    def script(self, name: str, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BASE_DIR / "script" / name, *arguments],
            env=self.environment | extra,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, name: str, *arguments: str, **extra: str) -> tuple[int, str]:
        process = self.script(name, *arguments, **extra)
        said, _ = process.communicate(timeout=200)
        return process.returncode, said


@pytest.fixture
def make_copy(open_folder: Path) -> Iterator[object]:
    """`make_copy(name)`: a copy beside others; whatever it runs is ended afterwards."""

    def make(name: str, **extra: str) -> Copy:
        environment = {
            key: value
            for key, value in os.environ.items()
            if key in {"PATH", "HOME", "LANG", "VIRTUAL_ENV"}
        }
        ports = {
            key: str(embedded.free_port())
            for key in ("PORT", "LIVE_PORT", "SANDBOX_PORT")
        }
        data_dir = open_folder / name
        return Copy(data_dir, environment | ports | {"DATA_DIR": str(data_dir)} | extra)

    yield make
    for pid in processes_of(open_folder):
        os.kill(pid, signal.SIGKILL)


def processes_of(folder: Path) -> list[int]:
    """Processes whose command line or environment names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(int(entry.name))
    return found
