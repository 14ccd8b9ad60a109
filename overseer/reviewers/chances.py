"""A simulated agent's chances on one occasion: many draws from one keyed hash of structural ids.

As `sampling`, for agents that draw a dozen times a reply. Knows no order of arrival: the same ids, the same chances.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from struct import unpack

COUNT = 16
_SCALE = 2.0**-32


@lru_cache(maxsize=1 << 10)
def chances(seed: str, *ids: str | int) -> tuple[float, ...]:
    """`COUNT` independent draws, uniform on [0, 1), for these ids."""
    digest = blake2b(repr(ids).encode("utf-8", "surrogatepass"), digest_size=64, key=seed.encode()[:64]).digest()
    return tuple(map(_SCALE.__mul__, unpack(f"<{COUNT}I", digest)))
