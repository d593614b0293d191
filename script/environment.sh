# Sourced by the other scripts: finds Python, makes .venv, installs what is locked.
# A stamp inside .venv holds the hash of the installed lock, so that a second start
# costs nothing.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
VENV="$ROOT/.venv"
# Without it each of a copy's processes would compile the whole project when it starts.
unset PYTHONDONTWRITEBYTECODE

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf '\n%s\n' "$*" >&2; exit 1; }

# A version manager's shim may exist and still not run: ask the interpreter itself.
usable_python() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
    >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3 /usr/bin/python3; do
    if [ -n "$candidate" ] && usable_python "$candidate"; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

apt_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  say "Installing $* with apt"
  { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" \
    || { apt-get update -q \
      && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; }
  } >&2
}

make_venv() {
  [ -x "$VENV/bin/python" ] && usable_python "$VENV/bin/python" && return 0
  local python
  python="$(find_python)" || { apt_install python3 python3-venv && python="$(find_python)"; } \
    || die "Python 3.11 or 3.12 is needed. On Debian or Ubuntu: sudo apt install python3 python3-venv"
  if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    local version
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    apt_install "python$version-venv" \
      || die "Python's venv module is incomplete. On Debian or Ubuntu: sudo apt install python$version-venv"
  fi
  say "Making .venv with $("$python" --version)"
  "$python" -m venv --clear "$VENV"
}

lock_hash() { sha256sum "$ROOT/$1" | cut -d' ' -f1; }

is_installed() {
  [ "$(cat "$VENV/.installed-$1" 2>/dev/null)" = "$(lock_hash "$1")" ]
}

# install_lock requirements.txt | requirements-dev.txt
install_lock() {
  make_venv
  is_installed "$1" && return 0
  # The development lock holds the runtime's versions too.
  if [ "$1" = requirements.txt ] && is_installed requirements-dev.txt \
    && [ "$(cat "$VENV/.covers-requirements.txt" 2>/dev/null)" = "$(lock_hash "$1")" ]; then
    return 0
  fi
  (
    flock 9
    is_installed "$1" && exit 0
    say "Installing $1 (a minute the first time)"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
      --require-hashes -r "$ROOT/$1"
    lock_hash "$1" >"$VENV/.installed-$1"
    if [ "$1" = requirements-dev.txt ]; then
      lock_hash requirements.txt >"$VENV/.covers-requirements.txt"
    fi
  ) 9>"$ROOT/.venv-lock" || die "The packages could not be installed; see above."
}
