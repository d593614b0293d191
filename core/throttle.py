"""How often something may happen in a stretch of time, counted in Redis."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def is_too_often(name: str, most: int, seconds: int) -> bool:
    """Count one more `name`; True past `most` within the current stretch of `seconds`.

    Without Redis nothing is counted and nothing refused: whoever wants to opt out must
    not be kept from it by a fault of ours.
    """
    stretch = int(time.time()) // seconds
    key = f"throttle:{name}:{stretch}"
    try:
        cache.add(key, 0, timeout=2 * seconds)
        return int(cache.incr(key)) > most
    except ValueError:  # it ran out between the two
        return False
    except (RedisError, OSError):
        logger.warning("Nothing is counted: Redis can't be reached")
        return False
