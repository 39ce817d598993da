"""Jump consistent hashing: a bucket for a key, drawn as RabbitMQ draws it (RabbitMQ 3.10, Erlang 25, observed).

The key seeds Erlang's generator exs1024, whose numbers make the key jump from bucket to bucket: there are as
many jumps as the number of buckets has binary digits, more or less, and with one bucket more only those keys
move that move to it (Lamping and Veach, 2014).
"""

from __future__ import annotations

from typing import Final

LONG_WORD: Final = (1 << 64) - 1
SEED_BITS: Final = (1 << 21) - 1
STATE_WORDS: Final = 16


def jump_hash(key: int, buckets: int) -> int:
    """The bucket, from 0 to buckets - 1, of a key with 27 bits; there must be a bucket."""
    if buckets == 1:
        return 0
    state = _seeded(key)
    at = 0
    bucket = 0
    jump = 0
    while jump < buckets:
        bucket = jump
        following = (at + 1) % STATE_WORDS
        word = state[following]
        word ^= (word << 31) & LONG_WORD
        word ^= word >> 11
        word ^= state[at] ^ (state[at] >> 30)
        state[following] = word
        at = following
        drawn = (word * 1181783497276652981) & LONG_WORD
        if drawn == 0:  # as far as one can jump
            break
        jump = int((bucket + 1) / (drawn / (1 << 64)))
    return bucket


def _seeded(key: int) -> list[int]:
    """The state that exs1024 has when the key is all three parts of its seed."""
    low = (key & SEED_BITS) + 1
    first = (low * 2097131) & SEED_BITS
    second = (low * 2097133) & SEED_BITS
    third = (low * 2097143) & SEED_BITS
    word = (first << 43) | (second << 22) | (third << 1) | 1
    state = [0] * STATE_WORDS
    for at in range(STATE_WORDS - 1, -1, -1):
        word ^= word >> 12
        word ^= (word << 25) & LONG_WORD
        word ^= word >> 27
        state[at] = (word * 2685821657736338717) & LONG_WORD
    return state
