"""What members are worth: lifecycle, RFM, interactions, closeness and trust.

`changed` is what writers of orders, merges and tags call; `recompute_all` runs at night.
The rules are written down in docs/adr/0012.
"""

from crm.value.running import changed, recompute_all
from crm.value.words import why

__all__ = ["changed", "recompute_all", "why"]
