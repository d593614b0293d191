"""The API against its OpenAPI document, as an agent; a file of its own to run beside the other."""

import pytest

from tests.api.contract import check_every_answer


@pytest.mark.processes
@pytest.mark.timeout(900)
def test_every_answer_is_one_the_document_promises(make_stack):
    check_every_answer("agent", make_stack, walks_borders=False)
