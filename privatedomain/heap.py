"""The garbage collector, told which objects stay.

A loaded console is some 700,000 objects that live as long as their process. Python's
collector walks them all again every few dozen requests, and whoever asked waits.
"""

from __future__ import annotations

import gc

# Of new objects: a page makes thousands that die with it, so looking after each 700, as
# Python does by itself, finds little.
NEW_OBJECTS = 10_000


def hold() -> None:
    """Collect nothing until `release` or `settle`: what is being loaded stays."""
    gc.disable()


def release() -> None:
    """Collect again, but for what was loaded meanwhile."""
    gc.freeze()
    gc.enable()


def settle() -> None:
    """Take everything loaded so far out of the collector's sight, for good.

    For the end of a process's start, before it forks: https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
