from __future__ import annotations

import pytest

from tests.service.world import Side, build_side


@pytest.fixture
def brand(db: None) -> Side:
    return build_side("linjian")


@pytest.fixture
def dealer(db: None) -> Side:
    return build_side("dealer")
