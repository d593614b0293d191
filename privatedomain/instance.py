"""One copy of the console on this machine: its folder, ports, secrets, environment.

    DATA_DIR/secrets.env   SECRET_KEY, FIELD_KEYS, SEARCH_KEY; made once, mode 600
    DATA_DIR/run/env       DATABASE_URL, REDIS_URL and ports of the last start, mode 600
    DATA_DIR/run/lock      held by the running ``script/up``

Whatever the environment already says wins over both files.

    python -m privatedomain.instance manage …    what ``script/manage`` calls
"""

import base64
import contextlib
import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from privatedomain import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_MARK = "demo-"
SECRETS = ("SECRET_KEY", "FIELD_KEYS", "SEARCH_KEY")


class AlreadyRunning(RuntimeError):
    """Another ``script/up`` holds this DATA_DIR; the message names it."""


@dataclass(frozen=True)
class Instance:
    """Where a copy keeps its data and which loopback ports it answers on."""

    data_dir: Path
    port: int
    live_port: int
    sandbox_port: int
    is_demo: bool

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def url(self) -> str:
        return os.environ.get("PUBLIC_URL") or f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def login_file(self) -> Path:
        return self.data_dir / "logins.json"

    def prepare_folders(self) -> None:
        for folder in (self.run_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("media", "spool", "sandbox"):
            (self.data_dir / name).mkdir(exist_ok=True, mode=0o700)

    def environment(self, database_url: str, redis_url: str) -> dict[str, str]:
        """The environment every process of this copy runs with."""
        return {
            **self.secrets(),
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "privatedomain.settings",
            "DATA_DIR": str(self.data_dir),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
            "LIVE_PORT": str(self.live_port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "SANDBOX_DATA_DIR": str(self.data_dir / "sandbox"),
            "CONSOLE_URL": f"http://127.0.0.1:{self.port}",
            "DEMO": "1" if self.is_demo else "0",
            "PYTHONUNBUFFERED": "1",
        }

    def secrets(self) -> dict[str, str]:
        """Read DATA_DIR/secrets.env, made when the environment names no secrets."""
        path = self.data_dir / "secrets.env"
        if not path.exists():
            if all(os.environ.get(name) for name in SECRETS):
                return {}
            self.data_dir.mkdir(parents=True, exist_ok=True)
            write_private(path, _env_text(new_secrets(is_demo=self.is_demo)))
        return read_env(path)

    def write_run_env(self, database_url: str, redis_url: str) -> None:
        known = self.environment(database_url, redis_url)
        names = ("DATABASE_URL", "REDIS_URL", "PORT", "LIVE_PORT", "SANDBOX_PORT")
        write_private(
            self.run_dir / "env",
            _env_text({name: known[name] for name in (*names, "DEMO")}),
        )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the copy; two would fight over one database.

        Raises:
            AlreadyRunning: another process holds it.
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with (self.run_dir / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "?"
                raise AlreadyRunning(
                    f"A copy is already running on {self.data_dir} (process {holder})."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def current() -> Instance:
    """The copy the environment names; its ports default to those of its last start."""
    data_dir = Path(os.environ.get("DATA_DIR") or BASE_DIR / "var").resolve()
    last = read_env(data_dir / "run" / "env")

    def setting(name: str, default: str) -> str:
        return os.environ.get(name) or last.get(name) or default

    return Instance(
        data_dir=data_dir,
        port=int(setting("PORT", "8000")),
        live_port=int(setting("LIVE_PORT", "8002")),
        sandbox_port=int(setting("SANDBOX_PORT", "8001")),
        is_demo=setting("DEMO", "1") not in {"0", "false", "no", "off"},
    )


@contextlib.contextmanager
def servers(instance: Instance) -> Iterator[dict[str, str]]:
    """The environment with both servers up: the running ones, else for a while ours."""
    database_url = os.environ.get("DATABASE_URL")
    redis_url = os.environ.get("REDIS_URL")
    instance.prepare_folders()
    with contextlib.ExitStack() as ours:
        if not database_url:
            postgres = embedded.prepare_postgres(instance.data_dir)
            if not postgres.is_ready():
                ours.callback(embedded.stop, embedded.start(postgres))
            postgres.ensure_database()
            database_url = postgres.url
        if not redis_url:
            redis = embedded.prepare_redis(instance.data_dir)
            if not redis.is_ready():
                ours.callback(embedded.stop, embedded.start(redis))
            redis_url = redis.url
        yield instance.environment(database_url, redis_url)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 600 from the first byte."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def read_env(path: Path) -> dict[str, str]:
    """Read NAME=value lines; an absent file is empty."""
    if not path.exists():
        return {}
    pairs = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            pairs[name.strip()] = value.strip()
    return pairs


def _env_text(pairs: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in pairs.items())


def new_secrets(*, is_demo: bool) -> dict[str, str]:
    """Random keys; those of a demo are marked, and https settings refuse them."""
    mark = DEMO_MARK if is_demo else ""
    return {
        "SECRET_KEY": mark + secrets.token_urlsafe(64),
        # A Fernet key: 32 random bytes in URL-safe base 64.
        "FIELD_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "SEARCH_KEY": mark + secrets.token_urlsafe(48),
    }


def main(argv: list[str]) -> int:
    if argv[:1] != ["manage"]:
        sys.stderr.write("usage: python -m privatedomain.instance manage …\n")
        return 2
    try:
        with servers(current()) as environment:
            command = [sys.executable, str(BASE_DIR / "manage.py"), *argv[1:]]
            return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
    except embedded.ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
