"""What a file in memory holds, and what of it is on disk."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from amqpd.testing.files import MemoryFile

SECTOR_BYTES: Final = 512
"""What a disk writes wholly or not at all."""


class FileContent:
    """What a file holds, whatever its name is: what is read, what is on disk, and what may be."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = bytearray()
        self.unsynced: dict[int, list[bytes]] = {}
        """By the number of the sector, the states it went through since it was synced."""
        self.lock_holder: MemoryFile | None = None

    def write(self, offset: int, data: bytes, durable: bool) -> None:
        if not data:
            return
        _put(self.data, offset, data)
        end = offset + len(data)
        if durable:
            _put(self.synced, offset, data)
        for sector in range(offset // SECTOR_BYTES, (end - 1) // SECTOR_BYTES + 1):
            if durable:
                self._write_to_every_state(sector, offset, data)
            else:
                self.unsynced.setdefault(sector, []).append(_sector(self.data, sector))

    def _write_to_every_state(self, sector: int, offset: int, data: bytes) -> None:
        states = self.unsynced.pop(sector, None)
        if states is None:
            return
        start = sector * SECTOR_BYTES
        first, last = max(offset, start), min(offset + len(data), start + SECTOR_BYTES)
        piece = data[first - offset : last - offset]
        rewritten = [state[: first - start] + piece + state[last - start :] for state in states]
        on_disk = _sector(self.synced, sector)
        if any(state != on_disk for state in rewritten):
            self.unsynced[sector] = rewritten

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        self.synced = bytearray(self.data)
        self.unsynced.clear()

    def corrupt(self, offset: int, mask: int) -> None:
        self.data[offset] ^= mask
        if offset < len(self.synced):
            self.synced[offset] ^= mask
        sector, place = divmod(offset, SECTOR_BYTES)
        for index, state in enumerate(self.unsynced.get(sector, [])):
            changed = bytearray(state)
            changed[place] ^= mask
            self.unsynced[sector][index] = bytes(changed)

    def after_process_death(self) -> FileContent:
        content = FileContent()
        content.data[:] = self.data
        content.synced[:] = self.synced
        content.unsynced = {sector: list(states) for sector, states in self.unsynced.items()}
        return content

    def after_power_loss(self, random: Random) -> FileContent:
        content = FileContent()
        content.data[:] = self.synced
        chance = chance_of_keeping(random)
        for sector, states in self.unsynced.items():
            if random.random() < chance:
                # the latest as often as all the earlier ones together
                state = states[-1] if random.random() < max(chance, 0.5) else random.choice(states)
                _put(content.data, sector * SECTOR_BYTES, state)
        content.truncate(self._size_after_power_loss(random))
        return content

    def _size_after_power_loss(self, random: Random) -> int:
        least, most = len(self.synced), len(self.data)
        anywhere = random.randint(least, most)
        whole_sectors = anywhere - anywhere % SECTOR_BYTES
        return random.choice([least, most, anywhere, max(least, whole_sectors)])


def chance_of_keeping(random: Random) -> float:
    """How much of what is not synced is kept: often all of it or nothing, as that is what mostly happens."""
    return random.choice([0.0, 1.0, 0.5, random.random()])


def _put(target: bytearray, offset: int, data: bytes) -> None:
    if offset > len(target):
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data


def _sector(data: bytearray, sector: int) -> bytes:
    return bytes(data[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")
