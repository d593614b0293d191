"""The org tree of the demo; whoever places staff or members looks here."""

from __future__ import annotations

from staff.models import OrgUnit

Kind = OrgUnit.Kind
# key: (name, kind, key of the parent, is a data controller of its own)
TREE: dict[str, tuple[str, str, str, bool]] = {
    "brand": ("林间", Kind.BRAND, "", False),
    "region": ("华东大区", Kind.REGION, "brand", False),
    "region_south": ("华南大区", Kind.REGION, "brand", False),
    "store": ("静安寺店", Kind.STORE, "region", False),
    "store_hubin": ("湖滨店", Kind.STORE, "region", False),
    "store_xihu": ("西湖店", Kind.STORE, "region", False),
    "store_tianhe": ("天河店", Kind.STORE, "region_south", False),
    "store_nanshan": ("南山店", Kind.STORE, "region_south", False),
    "dealer": ("杭州经销商", Kind.DEALER, "region", True),
    "dealer_store": ("余杭店", Kind.STORE, "dealer", False),
    "dealer_store_2": ("萧山店", Kind.STORE, "dealer", False),
    "dealer_west": ("成都经销商", Kind.DEALER, "brand", True),
    "dealer_west_store": ("春熙路店", Kind.STORE, "dealer_west", False),
}


def demo_units() -> dict[str, OrgUnit]:
    """Every unit of TREE by its key, made when missing."""
    units: dict[str, OrgUnit] = {}
    for key, (name, kind, parent_key, is_separate) in TREE.items():
        parent = units.get(parent_key)
        found = OrgUnit.objects.filter(name=name, kind=kind, parent=parent).first()
        units[key] = found or OrgUnit.objects.create(
            name=name, kind=kind, parent=parent, is_separate_controller=is_separate
        )
    return units
