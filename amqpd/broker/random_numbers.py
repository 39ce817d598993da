"""Random numbers for whoever chooses at random: made of bytes that are handed in, so that a test can know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from librt.strings import read_i32_be
from mypy_extensions import i64

BYTES_AT_ONCE: Final = 4096


@final
class RandomNumbers:
    """Takes four bytes for each number; `random_bytes(n)` gives n more of them."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._unused = b""
        self._at: i64 = 0

    def below(self, bound: i64) -> i64:
        """A number from 0 to bound - 1, all as likely, for a bound that is far below 2**32."""
        if self._at + 4 > len(self._unused):
            self._unused = self._random_bytes(BYTES_AT_ONCE)
            self._at = 0
        number: i64 = i64(read_i32_be(self._unused, self._at)) & 0xFFFFFFFF
        self._at += 4
        return (number * bound) >> 32
