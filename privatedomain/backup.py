"""Backup and restore of a copy: what ``script/backup`` and ``script/restore`` run.

One tar file: ``manifest.json``, ``database.dump`` (pg_dump's custom format), ``media/``
and ``spool/``. The keys of ``secrets.env`` are **not** in it: whoever finds a backup
reads no secret and no phone number. Keep that file apart; the manifest holds
fingerprints, so that a restore without the right keys is refused and not half useless.

A restore is one transaction: it replaces everything or nothing. It holds all sending,
because the backup does not know what was sent after it was made.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from privatedomain import binaries, embedded
from privatedomain.instance import AlreadyRunning, Instance, current, servers

FORMAT = 1
FOLDERS = ("media", "spool")
KNOWN = {"manifest.json", "database.dump", *FOLDERS}
HELD_REASON = "The database was restored from a backup of {at}."
RESTORE_PRELUDE = "DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\n"


class BackupError(RuntimeError):
    """The message says what is wrong and what to do."""


def back_up(instance: Instance, target: Path) -> None:
    """Write a backup; the copy may be running."""
    if target.exists():
        raise BackupError(f"{target} exists already: choose another name.")
    with servers(instance) as environment, tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "database.dump"
        _run([_tool("pg_dump"), "-Fc", "-f", str(dump), _dsn(environment)], environment)
        part = target.with_name(f".{target.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w") as tar,
        ):
            _add_text(tar, "manifest.json", json.dumps(_manifest(environment)))
            tar.add(dump, "database.dump")
            for name in FOLDERS:
                tar.add(instance.data_dir / name, name)
        part.replace(target)
        # From here on, a database restored from this dump is recognised as old.
        _manage(environment, "mark_backup")


def restore(instance: Instance, source: Path, *, replace: bool) -> None:
    """Replace the copy's data by a backup's and hold all sending.

    Raises:
        BackupError: the copy runs, is not empty (without `replace`), or the keys of
            the backup are not those of this copy.
        AlreadyRunning: ``script/up`` holds the copy.
    """
    with instance.lock(), _opened(source) as folder:
        manifest = json.loads((folder / "manifest.json").read_text())
        if manifest["format"] != FORMAT:
            raise BackupError("This backup was made by another release.")
        with servers(instance) as environment:
            _check_keys(manifest, environment)
            if not replace and _has_data(environment):
                raise BackupError(
                    "This copy has data. To replace all of it by the backup's: "
                    "./script/restore --replace FILE"
                )
            _replace_database(folder / "database.dump", environment)
            _replace_folders(instance, folder)
            _manage(environment, "migrate", "-v", "0")
            reason = HELD_REASON.format(at=manifest["made_at"])
            _manage(environment, "mark_restore", reason)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[Path]:
    """The backup unpacked beside nothing of ours; names cannot leave the folder."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(source) as tar:
                for member in _checked(tar):
                    tar.extract(member, folder, set_attrs=False)
        except (OSError, tarfile.TarError) as error:
            raise BackupError(f"{source} is not a readable backup: {error}") from error
        if not (Path(folder) / "manifest.json").exists():
            raise BackupError(f"{source} is not a backup of this console.")
        yield Path(folder)


def _checked(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Files and folders where a backup has them; anything else is an attack."""
    for member in tar:
        parts = Path(member.name).parts
        is_known = parts[:1] and parts[0] in KNOWN and ".." not in parts
        if not is_known or not (member.isfile() or member.isdir()):
            raise BackupError(f"The backup holds something strange: {member.name}")
        yield member


def _replace_database(dump: Path, environment: dict[str, str]) -> None:
    """Everything in one transaction: a failing restore leaves what was there."""
    with tempfile.TemporaryFile() as script:
        script.write(RESTORE_PRELUDE.encode())
        script.flush()
        unpack = [_tool("pg_restore"), "--no-owner", "--no-acl", "-f", "-", str(dump)]
        _run(unpack, environment, stdout=script)
        script.seek(0)
        load = [_tool("psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1"]
        _run(
            [*load, "-o", os.devnull, _dsn(environment)],
            environment | {"PGOPTIONS": "-c client_min_messages=warning"},
            stdin=script,
        )


def _replace_folders(instance: Instance, folder: Path) -> None:
    for name in FOLDERS:
        old = instance.data_dir / name
        kept = instance.data_dir / f"{name}.before-restore-{time.time_ns()}"
        if any(old.iterdir()):
            old.rename(kept)
        else:
            old.rmdir()
        shutil.move(folder / name, old)
        old.chmod(0o700)


def _has_data(environment: dict[str, str]) -> bool:
    sql = "SELECT to_regclass('public.django_migrations') IS NOT NULL"
    command = [_tool("psql"), "-X", "-A", "-t", "-c", sql, _dsn(environment)]
    return _run(command, environment).strip() == "t"


def _manifest(environment: dict[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "field_keys": [_fingerprint(key) for key in _field_keys(environment)],
        "search_key": _fingerprint(environment["SEARCH_KEY"]),
    }


def _check_keys(manifest: dict[str, Any], environment: dict[str, str]) -> None:
    ours = {_fingerprint(key) for key in _field_keys(environment)}
    is_readable = set(manifest["field_keys"]) <= ours
    if not is_readable or manifest["search_key"] != _fingerprint(
        environment["SEARCH_KEY"]
    ):
        raise BackupError(
            "The backup was made with other keys: put the secrets.env that belongs to "
            f"it into {environment['DATA_DIR']} first, or its secrets cannot be read."
        )


def _field_keys(environment: dict[str, str]) -> list[str]:
    return [key for key in environment["FIELD_KEYS"].split(",") if key]


def _fingerprint(key: str) -> str:
    return hashlib.sha256(f"backup:{key}".encode()).hexdigest()[:16]


def _dsn(environment: dict[str, str]) -> str:
    """The address without its password, which would stand in the process list."""
    parts = urlsplit(environment["DATABASE_URL"])
    if parts.password:
        environment["PGPASSWORD"] = unquote(parts.password)
    place = f"{parts.username or ''}@{parts.hostname or ''}:{parts.port or 5432}"
    return urlunsplit(("postgresql", place, parts.path, parts.query, ""))


def _tool(name: str) -> str:
    """The wheel's client, else PATH's: it must not be older than the server."""
    try:
        return str(binaries.postgres_install() / "bin" / name)
    except embedded.ServerError:
        found = shutil.which(name)
        if found is None:
            raise BackupError(f"{name} is needed: install postgresql-client.") from None
        return found


def _manage(environment: dict[str, str], *arguments: str) -> None:
    _run(
        [sys.executable, "manage.py", *arguments],
        environment | {"LOG_LEVEL": "WARNING"},
    )


def _run(
    command: list[str],
    environment: dict[str, str],
    *,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> str:
    answer = subprocess.run(  # noqa: S603
        command,
        env=environment,
        stdin=stdin,
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if answer.returncode != 0:
        raise BackupError(f"{Path(command[0]).name}: {answer.stderr.decode().strip()}")
    return (answer.stdout or b"").decode()


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    entry.mtime = int(time.time())
    tar.addfile(entry, io.BytesIO(text.encode()))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/backup")
    parser.add_argument("action", choices=["backup", "restore"])
    parser.add_argument("--replace", action="store_true")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(argv)
    instance = current()
    try:
        if options.action == "backup":
            back_up(instance, options.file)
            sys.stderr.write(
                f"{options.file} holds the data. Keep {instance.data_dir}/secrets.env "
                "apart from it: neither is of use without the other.\n"
            )
        else:
            restore(instance, options.file, replace=options.replace)
            sys.stderr.write(
                "Restored. All sending is held until an administrator releases it on "
                "the health page.\n"
            )
    except (BackupError, AlreadyRunning, embedded.ServerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
