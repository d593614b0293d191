"""script/up: an empty folder, a second start, a neighbour, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import urllib.request

import pytest
from django.core.management import call_command

from staff.models import OrgUnit
from tests.commands.conftest import processes_of
from tests.stack import wait_until
from wechat.models import Account

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

ADMIN = {"DEMO": "0", "ADMIN_USERNAME": "boss", "ADMIN_PASSWORD": "plum-tree-4-winter"}


def _wait_ready(copy, process, seconds=150):
    def answers():
        if process.poll() is not None:
            raise AssertionError(process.stdout.read())
        try:
            address = f"http://127.0.0.1:{copy.environment['PORT']}/readyz"
            return urllib.request.urlopen(address, timeout=3).status == 200
        except OSError:
            return False

    wait_until(answers, seconds, "ready")


def _stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    return said


def test_up_on_an_empty_folder_then_a_second_start_with_the_same_data(
    make_copy, open_folder
):
    copy = make_copy("data dir with spaces 私域", DEMO="0")

    # Nobody to ask for the first administrator: it says what to do and stops.
    code, said = copy.run("up")
    assert (code, "ADMIN_USERNAME" in said) == (1, True)
    assert processes_of(open_folder) == []

    first = copy.script("up", **ADMIN)
    _wait_ready(copy, first)
    code, said = copy.run("up")
    assert (code, "already running" in said) == (3, True)
    said = _stop(first, signal.SIGINT)
    assert (first.returncode, "Stopped." in said) == (0, True)
    assert processes_of(open_folder) == []

    second = copy.script("up")
    _wait_ready(copy, second)
    find = "from staff.models import Staff; print(Staff.objects.get(is_superuser=True))"
    code, said = copy.run("manage", "shell", "-v0", "-c", find)
    assert (code, "boss" in said) == (0, True)
    # Even kill -9 of the foreground process leaves nothing running.
    second.kill()
    second.communicate()
    wait_until(lambda: not processes_of(open_folder), 40, "all of it has ended")


def test_up_names_the_port_that_is_taken(make_copy):
    copy = make_copy("copy", **ADMIN)
    with socket.create_server(("127.0.0.1", int(copy.environment["LIVE_PORT"]))):
        code, said = copy.run("up")

    assert code == 1
    assert f"Port {copy.environment['LIVE_PORT']}" in said


@pytest.mark.django_db
def test_demo_staff_have_a_login_each_in_a_private_file(settings, tmp_path, client):
    settings.DATA_DIR = tmp_path
    call_command("sync_roles")
    call_command("create_demo_staff")
    path = tmp_path / "logins.json"
    logins = json.loads(path.read_text())
    call_command("create_demo_staff")

    assert json.loads(path.read_text()) == logins
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    roles = (
        "administrator privacy_officer ops_specialist community_manager agent agent2"
    )
    roles += " supervisor ops_manager store_manager dealer analyst"
    assert list(logins) == roles.split()
    for login in logins.values():
        assert login.keys() == {"username", "password", "api_token"}
        answer = client.post(
            "/admin/login/",
            {"username": login["username"], "password": login["password"]},
        )
        assert answer.status_code == 302
        client.logout()


@pytest.mark.django_db
def test_a_lost_logins_file_is_written_anew_with_new_passwords(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    call_command("sync_roles")
    call_command("create_demo_staff")
    path = tmp_path / "logins.json"
    before = json.loads(path.read_text())
    path.unlink()

    call_command("create_demo_staff")

    after = json.loads(path.read_text())
    assert after.keys() == before.keys()
    assert after["agent"]["password"] != before["agent"]["password"]


@pytest.mark.django_db
def test_sandbox_accounts_follow_a_sandbox_that_moved(settings, tmp_path):
    settings.DATA_DIR, settings.DEMO = tmp_path, True
    settings.SANDBOX_URL = "http://127.0.0.1:8001"
    call_command("prepare", verbosity=0)
    brand = OrgUnit.objects.get(kind="brand")
    urls = {"ours": "http://127.0.0.1:8001/mp", "theirs": "http://127.0.0.1:9/mp"}
    for slug, url in urls.items():
        Account.objects.create(
            slug=slug, name=slug, org_unit=brand, is_sandbox=True, api_base_url=url
        )

    settings.SANDBOX_URL = "http://127.0.0.1:8101"
    call_command("prepare", verbosity=0)

    told = dict(Account.objects.values_list("slug", "api_base_url"))
    assert told == {**urls, "ours": "http://127.0.0.1:8101/mp"}
