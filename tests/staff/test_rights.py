"""What somebody may do is read in one statement and is what Django reads in two."""

from __future__ import annotations

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission

from staff.models import Staff
from staff.roles import ROLES
from tests.conftest import build_staff


def _again(person: Staff) -> Staff:
    return Staff.objects.get(pk=person.pk)


@pytest.mark.django_db
def test_rights_are_those_of_every_role_and_the_person() -> None:
    for role in ROLES:
        person = build_staff(role.name, is_superuser=False)
        person.user_permissions.add(Permission.objects.get(codename="view_staff"))
        found = _again(person)
        assert found.rights == ModelBackend().get_all_permissions(_again(person))
        assert found.get_all_permissions() == found.rights
        assert "staff.view_staff" in found.rights
    assert _again(build_staff()).rights == frozenset()


@pytest.mark.django_db
def test_what_is_given_or_taken_holds_for_the_next_request() -> None:
    person, other = build_staff("agent"), build_staff("agent")
    before = _again(person).rights
    assert not _again(person).has_perm("staff.view_staff")
    right = Permission.objects.get(codename="view_staff")
    person.user_permissions.add(right)
    assert _again(person).has_perm("staff.view_staff")
    assert _again(person).has_module_perms("staff")
    assert not _again(other).has_perm("staff.view_staff")
    person.user_permissions.clear()
    assert _again(person).rights == before
    person.groups.clear()
    assert _again(person).rights == frozenset()
    assert not _again(person).has_module_perms("crm")


@pytest.mark.django_db
def test_who_left_may_nothing_and_an_administrator_everything(
    django_assert_num_queries,
) -> None:
    gone = build_staff("administrator", is_active=False)
    assert not gone.has_perm("staff.view_staff")
    assert not gone.has_module_perms("staff")
    assert gone.get_all_permissions() == set()
    chief = _again(build_staff("administrator"))
    with django_assert_num_queries(0):
        assert chief.has_perm("staff.view_staff")
        assert chief.has_module_perms("staff")
    assert "staff.view_staff" in chief.get_all_permissions()


@pytest.mark.django_db
def test_a_page_asks_for_rights_once(django_assert_num_queries) -> None:
    person = _again(build_staff("ops_manager"))
    with django_assert_num_queries(1):
        for _time in range(3):
            person.has_perm("crm.view_member")
            person.has_module_perms("crm")
            person.get_all_permissions()
