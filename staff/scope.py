"""Which org units' people somebody may see, as one filter all apps share."""

from __future__ import annotations

from django.db.models import Q

from staff.models import Staff


def controller_scope(staff: Staff, *, controller: str, unit: str) -> Q | None:
    """Rows of the person's data controller, narrowed to the person's own subtree.

    `controller` and `unit` are field paths to OrgUnit ("member__controller",
    "member__org_unit"). A person placed at the controller itself sees every row of it,
    also those without a unit; a store sees its own. None: sees nothing; an empty Q: sees
    everything.
    """
    if not staff.is_active:
        return None
    if staff.is_superuser:
        return Q()
    home = staff.org_unit
    if home is None:
        return None
    scope = Q(**{f"{controller}_id": home.controller_id})
    if home.pk != home.controller_id:
        scope &= Q(**{f"{unit}__path__startswith": home.path})
    return scope


def sees_instance(staff: Staff) -> bool:
    """Whether the person's place takes in all of the installation.

    So it is for administrators and for people placed at the top of the tree. Figures of
    the whole machine (queues, tokens, the disk) are for them: they count across data
    controllers.
    """
    if staff.is_superuser or not staff.is_active:
        return staff.is_active
    return staff.org_unit is not None and staff.org_unit.parent_id is None
