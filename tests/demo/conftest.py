from tests.wechat.outbound.conftest import (  # noqa: F401  fixtures
    sandbox,
    sandbox_process,
)
