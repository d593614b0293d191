import pytest

from tests.content.world import Newsroom, build_newsroom


@pytest.fixture
def newsroom(db: None) -> Newsroom:
    return build_newsroom()
