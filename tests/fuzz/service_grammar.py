"""What libraries, kiosks, offices, shops and another member's card say to the municipal services."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.securechannel.scp11 import encode_point
from jukicard.securechannel.signatures import from_der
from tests.support import services
from tests.support.chains import private_key

if TYPE_CHECKING:
    from tests.fuzz.grammar import Body, Grammar

LOAN = b"0001978481564321920240701L"
OTHER, OTHERS_NUMBER = private_key(3110), b"otherone"
"""Another member's card, which signs whatever it is asked to."""


@lru_cache(maxsize=512)
def _signed(key: ec.EllipticCurvePrivateKey, kind: int, parts: bytes) -> bytes:
    return from_der(key.sign(b"jukicard points 1\0" + bytes((kind,)) + parts, services.ECDSA))


def _spoilt(g: Grammar, data: bytes) -> bytes:
    if not g.chance(0.1):
        return data
    spoilt = bytearray(data)
    spoilt[g.rng.randrange(len(data))] ^= 1 << g.rng.randrange(8)
    return bytes(spoilt)


# --- library card


def update_loan(g: Grammar) -> Body:
    number, new = g.rng.choice((1, 1, 1, 2, 3, 20, 21)), _loan(g)
    old = (g.cell("f/0002/d") or b"")[28 * number - 26 : 28 * number]
    if old and g.chance(0.85):
        new = old[:-1] + g.rng.choice((b"L", b"R", b"X" if g.chance(0.2) else b"L", b"S"))
    return number, g.rng.choice((0x14, 0x14, 0x04)), new, None


def append_loan(g: Grammar) -> Body:
    return 0, g.rng.choice((0x10, 0x10, 0x00)), _loan(g), None


def _loan(g: Grammar) -> bytes:
    return f"0001{g.rng.randrange(10**13):013d}20240701L".encode() if g.chance(0.8) else LOAN[: g.rng.randint(1, 25)]


# --- certificate vending


def read_types(g: Grammar) -> Body:
    return g.rng.choice((1, 1, 1, 2, 3, 17)), g.rng.choice((0x0C, 0x0D, 0x14, 0x15, 0x04)), b"", 256


def update_type(g: Grammar) -> Body:
    number = g.rng.choice((1, 2, 3))
    new = bytes((number if g.chance(0.8) else 7, g.rng.choice((0, 1, 1, 2)), 0, g.rng.choice((0, 3, 30))))
    return number, g.rng.choice((0x0C, 0x0C, 0x14, 0x04)), new, None


def append_type(g: Grammar) -> Body:
    return 0, g.rng.choice((0x08, 0x08, 0x10)), bytes((g.rng.choice((1, *range(4, 25))), 1, 0, 3)), None


def issue(g: Grammar) -> Body:
    day = g.rng.choice(("20260701", "20260701", "20340101", "20240101", "2026070a"))
    challenge = bytes((g.rng.randrange(4),)) * 16
    return 0, 0, bytes((g.rng.choice((1, 1, 2, 3, 9)),)) + bytes.fromhex(day) + b"KIOSK001" + challenge, 256


def read_service_file(g: Grammar) -> Body:
    sfis = (3, 3, 1) if g.kind == "vending" else (1, 2, 3, 3, 4, 5)
    return 0x80 | g.rng.choice(sfis), 0 if g.chance(0.9) else g.rng.randrange(256), b"", g.rng.choice((256, 256, 5))


# --- community points


def _member(g: Grammar) -> bytes:
    return (g.cell("f/0001/d") or b"")[:8] or services.member_number(1)


def _number(g: Grammar, at: int, fid: int = 3) -> int:
    return int.from_bytes((g.cell(f"f/{fid:04x}/d") or b"")[at : at + 4])


@lru_cache(maxsize=1)
def _other() -> bytes:
    point = encode_point(OTHER.public_key())
    return OTHERS_NUMBER + point + _signed(services.CENTRE, 1, OTHERS_NUMBER + point)


def _amount(g: Grammar) -> bytes:
    return g.rng.choice((0, 1, 5, 5, 40, 2000)).to_bytes(4)


def order(g: Grammar) -> Body:
    p1 = g.rng.choice((1, 1, 2))
    sequence = _number(g, 21) + g.rng.choice((0, 1, 1, 1, 2))
    fields = sequence.to_bytes(4) + _amount(g) + b"a shop.."
    last = (g.cell("f/0003/d") or bytes(37))[20:]
    if last[0] and g.chance(0.1):
        p1, fields = last[0], last[1:]
    return p1, 0, _spoilt(g, fields + _signed(services.CENTRE, 2, _member(g) + bytes((p1,)) + fields)), 256


def invite(g: Grammar) -> Body:
    payer = OTHERS_NUMBER if g.chance(0.9) else _member(g)
    return 0, 0, payer + _amount(g), 256


def pay(g: Grammar) -> Body:
    if g.chance(0.2):
        return 0, 0, b"", 256
    numbers = g.rng.choice((0, 0, 1)).to_bytes(4) + _amount(g)
    return 0, 0, _spoilt(g, _other() + numbers + _signed(OTHER, 4, OTHERS_NUMBER + _member(g) + numbers)), 256


def receive(g: Grammar) -> Body:
    number = g.rng.choice((1, 2, 3)).to_bytes(4)
    entry = max(0, _number(g, 12) + g.rng.choice((0, 0, 0, -1, 1)))
    numbers = entry.to_bytes(4) + _amount(g)
    voucher = _signed(OTHER, 5, OTHERS_NUMBER + number + _member(g) + numbers)
    return g.rng.choice((0, 0, 1)), 0, _spoilt(g, _other() + number + numbers + voucher), 256


def finish(g: Grammar) -> Body:
    if g.chance(0.2):
        return 0, 0, b"", 256
    held, outcome = g.cell("f/0004/d") or bytes(81), bytes((g.rng.randrange(2),))
    paid = _number(g, 8).to_bytes(4)
    decision = _signed(OTHER, 6, _member(g) + paid + held[:8] + held[73:] + outcome)
    return 0, 0, _spoilt(g, outcome + decision), 256


def confirm(g: Grammar) -> Body:
    number = g.rng.choice((0, 1, 2, 3)).to_bytes(4)
    return 0, 0, _spoilt(g, _other() + number + _signed(OTHER, 7, OTHERS_NUMBER + number)), None


SERVICE_BODIES: dict[str, Callable[[Grammar], Body]] = {
    "library: UPDATE RECORD": update_loan,
    "library: APPEND RECORD": append_loan,
    "vending: READ BINARY": read_service_file,
    "vending: READ RECORD": read_types,
    "vending: UPDATE RECORD": update_type,
    "vending: APPEND RECORD": append_type,
    "ISSUE CERTIFICATE": issue,
    "points: READ BINARY": read_service_file,
    "CARRY OUT ORDER": order,
    "INVITE PAYMENT": invite,
    "PAY": pay,
    "RECEIVE PAYMENT": receive,
    "FINISH PAYMENT": finish,
    "CONFIRM PAYMENT": confirm,
}
