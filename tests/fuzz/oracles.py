"""What is held against every answer beside the model's word: no secret, no forbidden step, no date going back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from tests.fuzz.facts import Entry, Fact, objects
from tests.fuzz.model import DOCUMENTED, Expectation


class Finding(Exception):  # noqa: N818 - what the fuzzer is for
    """The chip did what it must not; `reason` has no secrets in it but those of test cards."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


SUCCESS = frozenset((0x61, 0x62, 0x63, 0x90))


def called(expected: Expectation) -> str:
    return expected.row.name if expected.row else "a link of a chain" if expected.link else "a command without a row"


def listed(sws: frozenset[int]) -> str:
    return "any documented one" if sws is DOCUMENTED else ", ".join(f"{sw:04X}" for sw in sorted(sws))


def check_registry(old: tuple[Any, ...], new: tuple[Any, ...]) -> None:
    """An opaque command adds one application, removes, or moves one a step on; it changes nothing else of any."""
    before = {entry.instance: entry for entry in old[1:]}
    for entry in new[1:]:
        was = before.get(entry.instance)
        if was is None:
            if (entry.instance, new[0]) != (old[0], entry.instance + 1):
                raise Finding("an instance number was used again or left out")
        elif entry != was and not _is_step(was, entry):
            raise Finding("an application moved along no transition that there is")


_STEPS = {(0x03, 0x07), (0x07, 0x0F)}


def _is_step(was: Any, entry: Any) -> bool:
    """Whether one thing has changed: a state by a step, the domain of an application, privileges."""
    if not isinstance(entry, Entry):
        return False  # nothing of a load file ever changes
    if entry.state != was.state:
        return entry == was._replace(state=entry.state) and (was.state, entry.state) in _STEPS
    if entry.domain != was.domain:
        return entry == was._replace(domain=entry.domain) and not entry.privileges & 0x800000
    return entry == was._replace(privileges=entry.privileges)


def check_estimates(before: dict[str, Fact], changed: dict[str, Fact | None]) -> None:
    for cell, new in changed.items():
        old = before.get(cell)
        if "/day/" in cell and isinstance(old, bytes) and isinstance(new, bytes) and new < old:
            raise Finding("an estimate of the date went back")


def secrets_of(cells: dict[str, bytes]) -> tuple[list[bytes], list[bytes]]:
    """What no command may tell: keys and resident codes; and passwords."""
    long: list[bytes] = []
    passwords: list[bytes] = []
    for cell, content in cells.items():
        if cell[6:].startswith("/key/") and content[0] != 0xB0:
            long += _key_parts(content)
        elif _is_of_a_face(cell, content):
            long += _face_parts(content)
        elif cell.endswith("/v") and len(content) == PRIMES_SIZE:
            long += content[: PRIMES_SIZE // 2], content[PRIMES_SIZE // 2 :]
        elif cell.endswith("/v") and not cell.endswith(EXPIRY):
            (long if len(content) >= SHORTEST_KEY else passwords).append(content)
        elif cell.endswith("/f/0001/d") and len(content) == 11 and content.isdigit():
            long.append(content)
    return long, passwords


SHORTEST_KEY, PRIMES_SIZE, PIECE = 16, 256, 16
EXPIRY = "/p/93/v"
"""The reference number of face A, which every shared application tells everybody."""
_TOLD = frozenset((0xDF12, 0xDF13, 0xDF21, 0xDF23, 0xDF24, 0xDF28, 0xDF29))
"""Parts of the records of a face that are no secret, or too short for one: keys, signatures, offsets, sex, expiry."""


def holds_secret(cell: str, content: Fact) -> bool:
    return _may_hold_secret(cell) or _is_of_a_face(cell, content)


@lru_cache(maxsize=1024)
def _may_hold_secret(cell: str) -> bool:
    return cell.endswith(("/v", "/f/0001/d")) or "/key/" in cell


def _is_of_a_face(cell: str, content: Fact) -> bool:
    """Whether this is the birth or the face record of the face-verification application."""
    return isinstance(content, bytes) and content[:2] in (b"\xff\x10", b"\xff\x20") and cell[6:9] == "/f/"


@lru_cache(maxsize=64)
def _face_parts(content: bytes) -> list[bytes]:
    """Birth date, name, address and photo, in pieces, of which a leak has one."""
    ((_, record),) = objects(content)
    parts = [value for tag, value in objects(record) if tag not in _TOLD]
    return [part[at : at + PIECE] for part in parts for at in range(0, len(part), PIECE) if len(part) - at >= 8]


def is_written(secret: bytes, cells: dict[str, Fact]) -> bool:
    """Whether a host has put it where it may be read: a resident's code into a file of a folder."""
    contents = (content for cell, content in cells.items() if not holds_secret(cell, content))
    return any(isinstance(content, bytes) and secret in content for content in contents)


@lru_cache(maxsize=256)
def _key_parts(content: bytes) -> list[bytes]:
    ((tag, value),) = objects(content)
    return [part for _, part in objects(value)] if tag == 0xE1 else [value]
