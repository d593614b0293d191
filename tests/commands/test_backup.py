"""Backup and restore: everything comes back, and nothing is sent until released."""

from __future__ import annotations

import io
import stat
import subprocess
import sys
import tarfile

import psycopg
import pytest

from privatedomain.processes import BASE_DIR

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def copy(make_stack):
    stack = make_stack(own_servers=True)
    for name in ("media", "spool", "exchange"):
        (stack.data_dir / name).mkdir()
    return stack


def _run(stack, *arguments, **extra):
    answer = subprocess.run(
        [sys.executable, "-m", "privatedomain.backup", *map(str, arguments)],
        cwd=BASE_DIR,
        env=stack.environment | extra,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode, answer.stderr


@pytest.fixture(scope="module")
def made(copy, tmp_path_factory):
    """A backup made while one person worked here, in a copy that has been started."""
    from core.models import Instance

    _work_here(copy, "early")
    with copy.orm():
        Instance.objects.get_or_create(pk=1)
    (copy.data_dir / "exchange" / "members.csv").write_bytes(b"13800000001")
    target = tmp_path_factory.mktemp("backup") / "copy.backup"
    code, said = _run(copy, "backup", target)
    assert code == 0, said
    return target


@pytest.fixture
def backup(copy, made):
    """That backup, after a second person came."""
    _work_here(copy, "early", "late")
    return made


def _work_here(stack, *names):
    """These are the people of the copy, and its picture is of the last of them."""
    from staff.models import Staff
    from tests.conftest import build_staff

    with stack.orm():
        Staff.objects.filter(is_system=False).delete()
        for name in names:
            build_staff(username=name, display_name="林小满")
    (stack.data_dir / "media" / "picture.jpg").write_bytes(names[-1].encode())


def _state(stack):
    from core.models import Instance
    from staff.models import Staff

    with stack.orm():
        people = Staff.objects.filter(is_system=False)
        names = set(people.values_list("username", "display_name"))
        return names, Instance.objects.get(pk=1)


def test_a_restore_brings_everything_back_and_holds_all_sending(copy, backup):
    code, said = _run(copy, "restore", "--replace", backup)

    assert code == 0, said
    names, instance = _state(copy)
    assert names == {("early", "林小满")}
    assert instance.is_sending_held
    assert (copy.data_dir / "media" / "picture.jpg").read_bytes() == b"early"
    kept = list(copy.data_dir.glob("media.before-restore-*/picture.jpg"))
    assert [path.read_bytes() for path in kept] == [b"late"]
    # Files of imports and exports run out; they must not live on in a backup.
    with tarfile.open(backup) as tar:
        assert not any("exchange" in name for name in tar.getnames())


def test_a_backup_restored_by_other_means_is_noticed_at_the_next_start(copy, backup):
    copy.manage(
        "prepare", "-v0", ADMIN_USERNAME="boss", ADMIN_PASSWORD="plum-4-winter!"
    )
    with copy.orm():
        from core.models import Instance

        Instance.objects.update(sending_held_at=None)
    assert not _state(copy)[1].is_sending_held
    with tarfile.open(backup) as tar:
        old = tar.extractfile("database.dump").read()

    _load_by_hand(copy, old)
    copy.manage(
        "prepare", "-v0", ADMIN_USERNAME="boss", ADMIN_PASSWORD="plum-4-winter!"
    )

    assert _state(copy)[1].is_sending_held


def _load_by_hand(stack, dump):
    with psycopg.connect(stack.database_url) as link:
        link.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    program = [stack.postgres.bin / "pg_restore", "--no-owner"]
    subprocess.run(
        [*program, "-d", stack.database_url], input=dump, check=True, cwd="/"
    )


def test_a_copy_with_data_is_not_overwritten_unasked(copy, backup):
    code, said = _run(copy, "restore", backup)

    assert code == 1
    assert "--replace" in said
    assert len(_state(copy)[0]) == 2


def test_a_backup_made_with_other_keys_is_refused(copy, backup):
    from cryptography.fernet import Fernet

    other = Fernet.generate_key().decode()
    code, said = _run(copy, "restore", "--replace", backup, FIELD_KEYS=other)

    assert code == 1
    assert "secrets.env" in said
    assert len(_state(copy)[0]) == 2


def test_a_broken_backup_changes_nothing(copy, backup):
    broken = backup.with_suffix(".broken")
    with tarfile.open(backup) as source, tarfile.open(broken, "w") as target:
        for member in source:
            content = source.extractfile(member)
            data = content.read() if content else b""
            if member.name == "database.dump":
                data = data[: len(data) // 2]
                member.size = len(data)
            target.addfile(member, io.BytesIO(data))

    code, _said = _run(copy, "restore", "--replace", broken)

    assert code == 1
    assert len(_state(copy)[0]) == 2


def test_a_backup_reaching_out_of_its_folder_is_refused(copy, tmp_path):
    evil = tmp_path / "evil.backup"
    with tarfile.open(evil, "w") as tar:
        tar.addfile(tarfile.TarInfo("media/../../escaped"), io.BytesIO())

    code, said = _run(copy, "restore", "--replace", evil)

    assert code == 1
    assert "strange" in said


def test_a_backup_is_private_and_holds_no_key(copy, backup):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    content = backup.read_bytes()
    for name in ("FIELD_KEYS", "SEARCH_KEY", "SECRET_KEY"):
        assert copy.environment[name].encode() not in content
