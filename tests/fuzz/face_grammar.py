"""What hosts say to the face-verification and the shared application, and what the issuer gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from jukicard.testing.seeds import randomness
from tests.support import facechips
from tests.support.facechips import FACE_A, FACE_B, PERSONALISATION_A, PERSONALISATION_B

if TYPE_CHECKING:
    from tests.fuzz.grammar import Body, Grammar
    from tests.fuzz.model import Channel, Model

CONTENTS, NUMBERS = (0x01, 0x02, 0x03, 0x04), (0x11, 0x12, 0x13)
DIGITS = {0x11: 6, 0x12: 14, 0x13: 8}


@lru_cache(maxsize=1)
def blocks() -> tuple[bytes, ...]:
    """Faces of both versions: as on the cards, of a later expiry, with another name, photo and birth date."""
    other_photo = randomness("another face photo")(500)
    later_a, named_a = replace(FACE_A, expires="20370401"), replace(FACE_A, name=b"another name")
    later_b = replace(FACE_B, expires="20370401", photo=other_photo)
    born_b = replace(FACE_B, birth="19700105", sex="2", address=b"elsewhere")
    birth = PERSONALISATION_B.birth
    assert birth is not None
    every = (
        PERSONALISATION_A,
        *(replace(PERSONALISATION_A, face=face) for face in (later_a, named_a)),
        PERSONALISATION_B,
        replace(PERSONALISATION_B, face=later_b),
        replace(PERSONALISATION_B, face=born_b, birth=replace(birth, birth="19700105"), birth_date="450105"),
    )
    return tuple(one.encode() for one in every)


def _current(g: Grammar) -> int | None:
    return g.channel.current if g.channel is not None else None


def _there(g: Grammar, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Those files that the card has; one time in ten, or while there are none, all."""
    there = tuple(fid for fid in numbers if g.world.model.cells.get(g.own + f"f/{fid:04x}/h") is not None)
    return there if there and g.chance(0.9) else numbers


def select_file(g: Grammar) -> Body:
    fid = g.rng.choice(_there(g, (*CONTENTS, *NUMBERS, *NUMBERS))) if g.chance(0.95) else 0x3F00
    return 0x02, 0x0C if g.chance(0.8) else g.rng.choice((0x00, 0x04)), fid.to_bytes(2), None


def read_binary(g: Grammar) -> Body:
    ne = g.rng.choice((256, 256, None, 65536, 65536, 255, 8, 1))
    if _current(g) in CONTENTS and g.chance(0.5):
        return g.rng.choice((0, 0, 0, 0, 1, 4)), g.rng.choice((0, 0, 0, 41, 119, 195, 255)), b"", ne
    fid = g.rng.choice(_there(g, (0x01, 0x02, 0x02, 0x02, 0x03, 0x04))) if g.chance(0.95) else g.rng.choice(NUMBERS)
    return 0x80 | fid, g.rng.choice((0, 0, 0, 41, 100, 255)), b"", ne


def verify(g: Grammar) -> Body:
    fid = _current(g)
    p2 = 0x80
    if fid not in DIGITS or g.chance(0.5):
        fid = g.rng.choice(_there(g, NUMBERS))
        p2 = 0x80 | fid if g.chance(0.97) else g.rng.choice((0x80, 0x81, 0x82, 0x90, 0x94, 0x9E))
    if g.chance(0.1):
        return 0, p2, b"", None
    value = g.cell(f"p/{0x80 | fid:02x}/v")
    if value is not None and g.chance(g.knowledge):
        return 0, p2, value, None
    known = (facechips.NUMBER_A, facechips.NUMBER_B, facechips.BIRTH_NUMBER)
    size = DIGITS[fid] if g.chance(0.95) else g.rng.choice((1, 7, 20))
    return 0, p2, g.rng.choice(known) if g.chance(0.2) else b"20360331400404"[:size].ljust(size, b"1"), None


def reset_counter(g: Grammar) -> Body:
    p2 = 0x80 | g.rng.choice(_there(g, NUMBERS)) if g.chance(0.95) else g.rng.choice((0x13, 0x80, 0x81))
    if g.chance(0.85):
        return 3, p2, b"", None
    return g.rng.choice((2, 2, 3)), p2, g.rng.choice((facechips.NUMBER_A, facechips.NUMBER_B)), None


def read_record(g: Grammar) -> Body:
    return g.rng.choice((1, 1, 1, 1, 2, 0)), g.rng.choice((0x0C, 0x0C, 0x14, 0x14, 0x0D, 0x04, 0x1C, 0x08)), b"", 256


def personalised(model: Model, channel: Channel | None) -> str:
    """The kind of the application that STORE DATA is for on a channel; nothing where it is for the domain."""
    target = channel.personalises if channel is not None else None
    return next((model.kind(entry) for entry in model.registry if entry.instance == target), "")


def block(g: Grammar, kind: str) -> bytes:
    """What an application of this kind is personalised with: mostly such as it takes."""
    if kind == "shared":
        other = replace(facechips.INFORMATION, expires="20370401", city_code="99202")
        whole = (facechips.INFORMATION if g.chance(0.5) else other).encode()
    else:
        whole = g.rng.choice(blocks())
    if g.chance(0.8):
        return whole
    spoilt = bytearray(whole)
    spoilt[g.rng.randrange(len(whole))] ^= 1 << g.rng.randrange(8)
    return bytes(spoilt) if g.chance(0.7) else whole[: g.rng.randint(1, len(whole) - 1)]


FACE_BODIES: dict[str, Callable[[Grammar], Body]] = {
    "face: SELECT (file)": select_file,
    "face: READ BINARY": read_binary,
    "face: VERIFY (internal EF)": verify,
    "face: RESET RETRY COUNTER": reset_counter,
    "shared: READ RECORD": read_record,
}
