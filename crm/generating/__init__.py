"""A made-up base of members as large as a brand's, for measuring and for trying things.

Seeded: the same seed and number of members on the same day give the same people. Loaded
by COPY, in two processes; nobody else should write meanwhile.
"""

from crm.generating.running import HasMembers, generate

__all__ = ["HasMembers", "generate"]
