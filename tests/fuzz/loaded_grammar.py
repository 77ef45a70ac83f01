"""What hosts say to the locker, a loaded application (tests/support/apps/locker)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.grammar import Body, Grammar

_PINS = (b"2580", b"75319753", b"86420")
_LE = (256, 256, 256, 5, None)


def _pin(g: Grammar) -> bytes:
    value = g.cell("p/01/v")
    return value if value is not None and g.chance(g.knowledge) else g.rng.choice((*_PINS, b"12", bytes(9)))


def _thing(g: Grammar, most: int) -> bytes:
    return g.rng.randbytes(g.rng.randint(1, most) if g.chance(0.92) else g.rng.choice((0, most + 1, 257)))


def without_data(g: Grammar) -> Body:
    return 0, 0, b"\0" if g.chance(0.08) else b"", g.rng.choice(_LE)


def put(g: Grammar) -> Body:
    return 0, 0, _thing(g, 64), None


def change(g: Grammar) -> Body:
    return 0, 0, g.rng.choice(_PINS) if g.chance(0.9) else b"123", None


def take(g: Grammar) -> Body:
    return 0, 0, bytes((g.rng.choice((0, 1, 1, 1, 2, 200)),)), None


def message(g: Grammar) -> Body:
    return 0, 0, _thing(g, 100) if g.chance(0.95) else g.rng.randbytes(257), 256


def verify(g: Grammar) -> Body:
    return 0, 1, _pin(g), None


def trap(g: Grammar) -> Body:
    return g.rng.choice((0, 0, 0, 0, 2, 2, 2, 1, 3)), 0, b"", None


def store(g: Grammar) -> Body:
    number = g.rng.randrange(4)
    if g.chance(0.4):
        return 1, number, b"", None
    return 0, number, g.rng.choice((1, 64, 300, 2000, 0xFFFF, 0)).to_bytes(2), None


def other(g: Grammar) -> Body:
    p1 = g.rng.randrange(256)
    return p1, p1 if g.chance(0.7) else g.rng.randrange(256), g.rng.randbytes(g.rng.choice((0, 0, 5, 257))), 256


LOADED_BODIES: dict[str, Callable[[Grammar], Body]] = {
    **{f"LOCKER {name}": without_data for name in ("COUNT", "LOOK", "DRAW", "TIME", "WHO")},
    "LOCKER PUT": put,
    "LOCKER CHANGE": change,
    "LOCKER TAKE": take,
    "LOCKER SEAL": message,
    "LOCKER SIGN": message,
    "LOCKER VERIFY": verify,
    "LOCKER TRAP": trap,
    "LOCKER STORE": store,
    "a loaded application's command": other,
}
