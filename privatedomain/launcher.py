"""Runs one program so that nothing of it outlives its end.

Run by path, before anything of the project is importable:

    python -I privatedomain/launcher.py [--user NAME] [--stop INT] -- program args…

* A stop signal goes to the program's main process only, so that it can finish
  running work (prefork children must not see it).
* When the main process is gone, by whatever cause, its left-over children are
  killed: workers of a killed web server would go on holding its port.
* When the process that started the launcher is gone, the program is stopped.
* ``--user`` drops root first: PostgreSQL refuses to run as root.

Exits with the program's exit code, 128 + n when signal n ended it. Linux only.
Standard library only.
"""

import argparse
import contextlib
import ctypes
import os
import pwd
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
FORWARDED = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
PASSED_ON = {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
WATCHED = FORWARDED | PASSED_ON | {signal.SIGCHLD}
PARENT_CHECK_SECONDS = 1.0


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="launcher")
    parser.add_argument("--user")
    parser.add_argument("--stop", default="TERM")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args(argv)
    stop_signal = signal.Signals[f"SIG{options.stop}"]
    starter = os.getppid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    main_pid = os.fork()
    if main_pid == 0:
        _become(options.program, options.user, stop_signal)
    status = _watch(main_pid, starter, stop_signal)
    _kill_leftovers()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(program: list[str], user: str | None, stop_signal: int) -> NoReturn:
    """Turn into the program; the death signal must be set after the user."""
    try:
        if user and os.geteuid() == 0:
            account = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.environ.update(HOME="/", USER=user, LOGNAME=user)
        _prctl(PR_SET_PDEATHSIG, stop_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error}\n")
        os._exit(127)


def _watch(main_pid: int, starter: int, stop_signal: int) -> int:
    """Forward signals until the main process ends; returns its wait status."""
    is_orphan = False
    while True:
        received = signal.sigtimedwait(WATCHED, PARENT_CHECK_SECONDS)
        if received is not None and received.si_signo == signal.SIGCHLD:
            status = _reap(main_pid)
            if status is not None:
                return status
        elif received is not None:
            number = received.si_signo
            os.kill(main_pid, number if number in PASSED_ON else stop_signal)
        elif not is_orphan and os.getppid() != starter:
            is_orphan = True
            os.kill(main_pid, stop_signal)


def _reap(main_pid: int) -> int | None:
    """Collect every ended child; the main process's status when it is one."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == main_pid:
            found = status


def _kill_leftovers() -> None:
    """Kill adopted children until none is left (theirs are adopted in turn)."""
    while True:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    me = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                # The command name may hold spaces and brackets: split after it.
                parent = stat.read().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == me:
            found.append(int(name))
    return found


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
