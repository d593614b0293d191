"""What a test that commits leaves for the next one."""

from django.contrib.auth.models import Group, Permission

from staff.models import OrgUnit
from staff.roles import ROLES
from tests import emptying


def test_roles_stay_and_everything_else_goes(transactional_db):
    OrgUnit.objects.create(name="Brand", kind="brand")
    stranger = Group.objects.create(name="<b>")
    stranger.permissions.set(Permission.objects.all()[:2])

    emptying.empty()

    assert not OrgUnit.objects.exists()
    left = set(Group.objects.values_list("name", flat=True))
    assert left == {role.name for role in ROLES}
    assert Group.objects.get(name="agent").permissions.exists()
