"""Starts a whole copy and stays in the foreground: what ``script/up`` runs.

Ctrl-C and SIGTERM stop everything it started and nothing else. A second start keeps
the data and repeats only what changed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import NoReturn

from privatedomain import assets, embedded, translations
from privatedomain.instance import BASE_DIR, AlreadyRunning, Instance, current
from privatedomain.supervision import STARTING, Supervisor

READY_SECONDS = 120.0
WATCH_SECONDS = 2.0


class Stopped(BaseException):
    """Ctrl-C or SIGTERM: not an error, so that nothing on the way swallows it."""


class CannotStart(RuntimeError):
    """The message says what is wrong and what to do."""


def main() -> int:
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    # A closed terminal ends the copy in order as well.
    signal.signal(signal.SIGHUP, _stop)
    instance = current()
    try:
        with instance.lock():
            _run(instance)
    except Stopped:
        return 0
    except AlreadyRunning as error:
        _say(f"{error}\nIts console: {instance.url}")
        return 3
    except (CannotStart, embedded.ServerError, assets.BuildError) as error:
        _say(f"\n{error}")
        return 1
    return 0


def _run(instance: Instance) -> None:
    started_at = time.monotonic()
    _check_ports(instance)
    instance.prepare_folders()
    servers, environment = _servers(instance)
    supervisor = Supervisor(instance, environment)
    try:
        supervisor.start(servers)
        _say("Building the stylesheet and the translations")
        translations.compile_catalogues()
        assets.build_stylesheet()
        _wait_servers(servers)
        instance.write_run_env(environment["DATABASE_URL"], environment["REDIS_URL"])
        _say("Preparing the database")
        _manage(environment, "prepare", "-v", "0")
        assets.collect_static(environment, _static_root(environment))
        supervisor.start_console()
        _load_demo(instance, environment, supervisor)
        _say("Waiting for all parts")
        _wait_ready(instance, supervisor)
        _tell(instance, time.monotonic() - started_at)
        _watch(supervisor)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _already_stopping)
        _say("\nStopping; running work is finished first")
        supervisor.stop()
        _say("Stopped.")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped


def _already_stopping(number: int, frame: FrameType | None) -> None:
    _say("Still stopping: running work is being finished")


def _check_ports(instance: Instance) -> None:
    ports = {"PORT": instance.port, "LIVE_PORT": instance.live_port}
    if instance.is_demo:
        ports["SANDBOX_PORT"] = instance.sandbox_port
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise CannotStart(
                    f"Port {port} cannot be used ({error.strerror}). Choose another: "
                    f"{name}={port + 100} ./script/up"
                ) from error
    if len(set(ports.values())) < len(ports):
        raise CannotStart(f"Each part needs a port of its own: {ports}")


def _servers(instance: Instance) -> tuple[list[embedded.Server], dict[str, str]]:
    """The embedded servers this copy needs, and the environment with all URLs."""
    servers: list[embedded.Server] = []
    database_url = os.environ.get("DATABASE_URL", "")
    redis_url = os.environ.get("REDIS_URL", "")
    if not database_url:
        postgres = embedded.prepare_postgres(instance.data_dir)
        database_url = postgres.url
        servers.append(postgres)
    if not redis_url:
        redis = embedded.prepare_redis(instance.data_dir)
        redis_url = redis.url
        servers.append(redis)
    return servers, instance.environment(database_url, redis_url)


def _wait_servers(servers: list[embedded.Server]) -> None:
    for server in servers:
        embedded.wait_ready(server)
        if isinstance(server, embedded.Postgres):
            server.ensure_database()


def _static_root(environment: dict[str, str]) -> Path:
    return Path(environment.get("STATIC_ROOT") or BASE_DIR / "staticfiles")


def _load_demo(
    instance: Instance, environment: dict[str, str], supervisor: Supervisor
) -> None:
    facts = json.loads((instance.run_dir / "facts.json").read_text())
    if facts["is_sending_held"]:
        _say("All sending is held: an administrator releases it on the health page.")
    if not (instance.is_demo and facts["is_empty"]):
        return
    _say("Loading demo data")
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(f"{instance.sandbox_url}/control/accounts"):
        is_given_up = supervisor.states().get("sandbox") == "FATAL"
        if is_given_up or time.monotonic() > deadline:
            raise CannotStart(
                f"The sandbox does not start; see {instance.log_dir}/sandbox.log"
            )
        time.sleep(0.1)
    _manage(environment, "load_demo")


def _manage(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, str(BASE_DIR / "manage.py"), *arguments]
    answer = subprocess.run(  # noqa: S603
        command, env=environment | {"LOG_LEVEL": "WARNING"}, check=False
    )
    if answer.returncode != 0:
        raise CannotStart(f"'manage {' '.join(arguments)}' failed; see above.")


def _wait_ready(instance: Instance, supervisor: Supervisor) -> None:
    """Wait for /readyz.

    Raises:
        CannotStart: naming the parts that are not well, or the program that gave up.
    """
    deadline = time.monotonic() + READY_SECONDS
    address = f"http://127.0.0.1:{instance.port}/readyz"
    while not _answers(address):
        failed = [n for n, state in supervisor.states().items() if state == "FATAL"]
        if failed or not supervisor.is_running or time.monotonic() > deadline:
            raise CannotStart(
                f"Not ready: {', '.join(failed) or _bad_parts(address)}. "
                f"The logs are in {instance.log_dir}"
            )
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


def _bad_parts(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
            return str(answer.status)
    except urllib.error.HTTPError as error:
        parts = json.load(error)["parts"]
        bad = (f"{n} ({p['text']})" for n, p in parts.items() if p["ok"] is False)
        return ", ".join(bad)
    except OSError as error:
        return f"web ({error})"


def _tell(instance: Instance, seconds: float) -> None:
    lines = [
        "",
        f"Ready after {seconds:.0f} s.",
        "",
        f"  Console        {instance.url}/admin/",
    ]
    if instance.is_demo:
        lines.append(f"  Virtual phone  {instance.sandbox_url}/")
    lines += [f"  Data and logs  {instance.data_dir}", ""]
    if instance.is_demo and instance.login_file.exists():
        logins = json.loads(instance.login_file.read_text())
        lines += [f"  {'Role':<18} {'Username':<18} Password"]
        for role, login in logins.items():
            lines.append(f"  {role:<18} {login['username']:<18} {login['password']}")
        lines += ["", f"  With API tokens: {instance.login_file}", ""]
    lines.append("Ctrl-C stops everything.")
    _say("\n".join(lines))


def _watch(supervisor: Supervisor) -> None:
    """Stay until stopped, telling which part is down and when it is back."""
    down: set[str] = set()
    while supervisor.is_running:
        time.sleep(WATCH_SECONDS)
        states = supervisor.states()
        now = {name for name, state in states.items() if state != "RUNNING"}
        for name in sorted(now - down):
            hope = "" if states[name] in STARTING else ", not started again"
            _say(f"{name} is down{hope}; its log is logs/{name}.log")
        for name in sorted(down - now):
            _say(f"{name} runs again")
        down = now
    raise CannotStart("The supervisor ended; see logs/supervisord.log")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
