"""What a disk can hold after its power was cut.  See `tests.support.powercut`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from tests.support.powercut_disk import SECTOR, Operation, PowerCutDisk, truncate, write

Strategy = Literal["kept", "lost", "torn", "reordered", "garbled"]
STRATEGIES: tuple[Strategy, ...] = ("kept", "lost", "torn", "reordered", "garbled")

PIECE = 512


# ------------------------------------------------------------------------------------


class Platter:
    """Goes through a log and knows, before each operation, what is safely on the disk and what is still under way."""

    def __init__(self, disk: PowerCutDisk) -> None:
        names, contents = disk.start
        self.names = dict(names)
        self.contents = dict(contents)
        self.pending: dict[int, list[Operation]] = {}
        self.pending_names: list[Operation] = []

    def take(self, operation: Operation) -> None:
        """One operation more has been done."""
        match operation.kind:
            case "write" | "truncate":
                self.pending.setdefault(operation.file, []).append(operation)
            case "link" | "unlink":
                self.pending_names.append(operation)
            case "sync":
                self.contents[operation.file] = _apply(
                    self.contents.get(operation.file, b""), self.pending.pop(operation.file, [])
                )
            case "sync names":
                self.names = _rename(self.names, self.pending_names)
                self.pending_names = []

    def survivors(self, strategy: Strategy, under_way: Operation | None, chance: random.Random) -> dict[str, bytes]:
        """Return the files that the disk may hold if the power goes now, while one more operation is under way."""
        pending = {number: list(operations) for number, operations in self.pending.items()}
        names = self.pending_names
        if under_way is not None and strategy != "kept":
            if under_way.kind in ("write", "truncate"):
                pending.setdefault(under_way.file, []).append(under_way)
            elif under_way.kind in ("link", "unlink"):
                names = [*names, under_way]
        contents = dict(self.contents)
        if strategy == "lost":
            return self._named(self.names, contents)
        for number, operations in pending.items():
            durable = self.contents.get(number, b"")
            contents[number] = _SURVIVAL[strategy](durable, operations, under_way, chance)
        if strategy != "kept":
            last = under_way if strategy == "torn" else None
            names = [one for one in names if (one is not last and strategy == "torn") or chance.random() < 0.5]
        return self._named(_rename(self.names, names), contents)

    @staticmethod
    def _named(names: Mapping[str, int], contents: Mapping[int, bytes]) -> dict[str, bytes]:
        return {name: contents.get(number, b"") for name, number in names.items()}


def _apply(content: bytes, operations: Iterable[Operation]) -> bytes:
    result = bytearray(content)
    for operation in operations:
        if operation.kind == "write":
            write(result, operation.data, operation.offset)
        else:
            truncate(result, operation.offset)
    return bytes(result)


def _rename(names: Mapping[str, int], operations: Iterable[Operation]) -> dict[str, int]:
    result = dict(names)
    for operation in operations:
        if operation.kind == "link":
            result[operation.name] = operation.file
        else:
            result.pop(operation.name, None)
    return result


def _pieces(operation: Operation) -> Iterator[Operation]:
    """Split a write at the borders of pieces; a truncation is one piece."""
    if operation.kind == "truncate":
        yield operation
        return
    start = operation.offset
    end = start + len(operation.data)
    for at in range(start - start % PIECE, end, PIECE):
        low, high = max(at, start), min(at + PIECE, end)
        yield Operation("write", operation.file, "", low, operation.data[low - start : high - start])


def _kept(durable: bytes, pending: list[Operation], under_way: Operation | None, chance: random.Random) -> bytes:
    return _apply(durable, pending)


def _torn(durable: bytes, pending: list[Operation], under_way: Operation | None, chance: random.Random) -> bytes:
    if pending[-1] is not under_way:
        return _apply(durable, pending)
    result = _apply(durable, pending[:-1])
    if under_way.kind == "truncate":
        return result
    part = under_way.data[: chance.randrange(len(under_way.data))]
    return _apply(result, [Operation("write", under_way.file, "", under_way.offset, part)])


def _reordered(durable: bytes, pending: list[Operation], under_way: Operation | None, chance: random.Random) -> bytes:
    share = chance.choice((0.1, 0.5, 0.9))
    return _apply(durable, [one for all_of in pending for one in _pieces(all_of) if chance.random() < share])


def _garbled(durable: bytes, pending: list[Operation], under_way: Operation | None, chance: random.Random) -> bytes:
    result = bytearray(_reordered(durable, pending, under_way, chance))
    full = len(_apply(durable, pending))
    if full > len(result):
        size = full - len(result)
        result.extend(chance.randbytes(size) if chance.random() < 0.5 else bytes(size))
    writes = [one for one in pending if one.kind == "write"]
    if writes:
        write = chance.choice(writes)
        at = chance.randrange(write.offset, write.offset + len(write.data))
        at -= at % SECTOR
        size = min(SECTOR, len(result) - at)
        if size > 0:
            result[at : at + size] = chance.randbytes(size)
    return bytes(result)


_SURVIVAL = {"kept": _kept, "torn": _torn, "reordered": _reordered, "garbled": _garbled}
