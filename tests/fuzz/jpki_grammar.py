"""What hosts say to the JPKI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.fuzz.facts import Fact

if TYPE_CHECKING:
    from tests.fuzz.grammar import Body, Grammar

CONTENTS, KEYS, PASSWORDS = (0x01, 0x02, 0x06, 0x08, 0x0A, 0x0B), (0x1A, 0x17), (0x1B, 0x18)
PASSWORD_OF = dict(zip(KEYS, PASSWORDS, strict=True))
_ALLOWED = {0x1B: (b"ABC123", b"ABC124", b"NEW456", b"16CHARACTERSLONG"), 0x18: (b"1234", b"1235", b"2580")}
_NOT_ALLOWED = (b"abc123", b"12345", b"ABC12", b"A" * 17, b"12a4", b"ABC12-")
_SIZES = {0x01: 3072, 0x02: 3072, 0x06: 160, 0x08: 3, 0x0A: 3072, 0x0B: 3072}
_READING = (256, 256, None, 4, 4, 255, 160, 3, 65536)
_SIGNED = (51, 51, 32, 32, 1, 20, 100, 245)


def waits_for(cells: Mapping[str, Fact], own: str) -> str:
    """The row that brings a personalisation to its end."""
    there = [fid for fid in KEYS if f"{own}k/{0x80 | fid:02x}/h" in cells]
    if any(f"{own}k/{0x80 | fid:02x}/v" not in cells for fid in there):
        return "GENERATE ASYMMETRIC KEY PAIR"
    if any(f"{own}p/{0x80 | PASSWORD_OF[fid]:02x}/v" not in cells for fid in there):
        return "CHANGE REFERENCE DATA (internal EF)"
    return "ACTIVATE FILE (application)"


def _internal(g: Grammar, fids: tuple[int, ...]) -> tuple[int, int]:
    """An internal EF, and P2 that means it: the current one where it is of that kind, else by its SFI."""
    current = g.channel.current if g.channel is not None else None
    if current in fids and g.chance(0.7):
        return current, 0x80
    if g.chance(0.05):
        return g.rng.choice(fids), g.rng.choice((0x80, 0x81, 0x86, 0x9E, *(0x80 | fid for fid in (*KEYS, *PASSWORDS))))
    fid = g.rng.choice((fids[0], fids[0], fids[1]))
    return fid, 0x80 | fid


def select_file(g: Grammar) -> Body:
    fid = g.rng.choice((*CONTENTS, *KEYS, *KEYS, *PASSWORDS, *PASSWORDS)) if g.chance(0.95) else 0x3F00
    return 0x02, 0x0C if g.chance(0.8) else g.rng.choice((0x00, 0x04)), fid.to_bytes(2), None


def read_binary(g: Grammar) -> Body:
    ne = g.rng.choice(_READING)
    if g.chance(0.5):
        return g.rng.choice((0, 0, 0, 1, 2, 11, 12, 13)), g.rng.choice((0, 0, 0, 4, 144, 161)), b"", ne
    fid = g.rng.choice((*CONTENTS, 0x01, 0x01)) if g.chance(0.95) else g.rng.choice((*KEYS, *PASSWORDS, 0x1E))
    return 0x80 | fid, g.rng.choice((0, 0, 0, 144, 255)), b"", ne


def update_binary(g: Grammar) -> Body:
    fid = g.rng.choice(CONTENTS)
    size = _SIZES[fid]
    data = g.rng.randbytes(size if size < 256 and g.chance(0.5) else g.rng.randint(1, min(size, 200)))
    if g.chance(0.05):
        return 0x80 | fid, 0, b"\0" * size, None
    return 0x80 | fid, 0 if g.chance(0.8) else g.rng.randrange(256), data, None


def verify(g: Grammar) -> Body:
    fid, p2 = _internal(g, PASSWORDS)
    if g.chance(0.15):
        return 0, p2, b"", None
    value = g.cell(f"p/{0x80 | fid:02x}/v")
    if value is not None and g.chance(g.knowledge):
        return 0, p2, value, None
    return 0, p2, g.rng.choice(_ALLOWED[fid]) if g.chance(0.9) else g.rng.choice(_NOT_ALLOWED), None


def _new(g: Grammar, fid: int) -> bytes:
    return g.rng.choice(_ALLOWED[fid]) if g.chance(0.85) else g.rng.choice(_NOT_ALLOWED)


def change(g: Grammar) -> Body:
    fid, p2 = _internal(g, PASSWORDS)
    return 1, p2, _new(g, fid), None


def reset_counter(g: Grammar) -> Body:
    fid = g.rng.choice(PASSWORDS)
    p2 = 0x80 | fid if g.chance(0.95) else g.rng.choice((fid, 0x81, 0x9A))
    return (2, p2, _new(g, fid), None) if g.chance(0.6) else (3, p2, b"", None)


def sign(g: Grammar) -> Body:
    _, p2 = _internal(g, KEYS)
    size = g.rng.choice(_SIGNED) if g.chance(0.95) else g.rng.choice((0, 31, 33, 246, 1000))
    form = g.rng.choice((0, 0, 1, 2, 3, 4, 5))
    if form in (2, 4) and g.chance(0.9):
        size = 32
    return form, 0 if g.chance(0.2) else p2, g.rng.randbytes(size), 256


def key_pair(g: Grammar) -> Body:
    reference = 0x80 | g.rng.choice(KEYS) if g.chance(0.95) else g.rng.choice((0x82, 0x9B))
    return g.rng.choice((0x80, 0x81)), 0, bytes((0xB6, 3, 0x84, 1, reference)), g.rng.choice((65536, 270, 256))


_BODIES: dict[str, Callable[[Grammar], Body]] = {
    "SELECT (file)": select_file,
    "READ BINARY": read_binary,
    "UPDATE BINARY": update_binary,
    "VERIFY (internal EF)": verify,
    "CHANGE REFERENCE DATA (internal EF)": change,
    "RESET RETRY COUNTER": reset_counter,
    "COMPUTE DIGITAL SIGNATURE": sign,
    "GENERATE ASYMMETRIC KEY PAIR": key_pair,
    "GENERATE ASYMMETRIC KEY PAIR (read public key)": key_pair,
}
JPKI_BODIES = {f"jpki: {name}": body for name, body in _BODIES.items()}
