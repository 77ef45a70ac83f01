"""What certificate vending and community points do, as the reference model tells it.

Written from docs/services.md and importing nothing of the card's code.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.fuzz.domain_rules import newest_estimate
from tests.fuzz.model import OK, Call, Expectation, Model, area
from tests.fuzz.proofs import DIGITS, KEY, POINTS, SCP11A, VENDING, Proof, content, proof
from tests.fuzz.wire import refuse

TYPES, AUDIT, TYPE_SIZE, AUDIT_SIZE, MAX_AUDIT = 1, 2, 4, 33, 20
MEMBER, CENTRE, PURSE, PAYMENT, RECEIVED = 1, 2, 3, 4, 5
ENTRY_SIZE, MAX_RECEIVED, SIGNED_MEMBER = 20, 16, 137
LETTERS = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
CREDIT = 1


def file_rule(kind: str, proved: Proof, fid: int, mode: str, rights: tuple[int, int, int]) -> bool:
    """Whether a file of vending or points may be read, updated or appended to."""
    service, vending, points = rights
    private = proved.verified and proved.level & 0x31 == 0x31
    if kind == "vending":
        if fid == TYPES:
            if mode == "read":
                return proved.has(vending) or proved.has(service)
            return proved.has(service, 0x03)
        if mode != "read":
            return False
        if fid == AUDIT:
            return private and (proved.has(vending) or proved.has(service))
        return holder(proved) or proved.personalises
    if mode != "read":
        return False
    if fid in (MEMBER, CENTRE):
        return holder(proved)
    return with_password(proved) or (fid == PURSE and proved.has(points))


def holder(proved: Proof) -> bool:
    """Anybody at a terminal of the municipality's root, encrypted towards the card."""
    return proved.kid == SCP11A and proved.has(None, 0x03)


def with_password(proved: Proof) -> bool:
    """The same with the password, encrypted both ways."""
    return holder(proved) and proved.verified and proved.level & 0x30 == 0x30


# --- certificate vending


def check_type(old: bytes | None, new: bytes, numbers: list[int]) -> None:
    """Refuse what is no type, another one than it was, or one that is there already."""
    if not new[0] or new[1] > 1:
        refuse(0x6A80)
    if old is not None and old[0] != new[0]:
        refuse(0x6985)
    if old is None and new[0] in numbers:
        refuse(0x6A89)


def split(stored: bytes, size: int) -> list[bytes]:
    """The records in a cell."""
    return [stored[at + 2 : at + 2 + size] for at in range(0, len(stored), size + 2)]


def joined(records: list[bytes]) -> bytes:
    return b"".join(len(record).to_bytes(2) + record for record in records)


def issue(model: Model, call: Call) -> Expectation:
    proved, data = proof(model, call), call.cmd.data
    if not (proved.has(VENDING, 0x31) and proved.verified):
        refuse(0x6982)
    if not data[0] or not DIGITS.issuperset(data[1:5].hex().encode()) or not LETTERS.issuperset(data[5:13]):
        refuse(0x6A80)
    own = area(call.entry.instance)
    audit = split(content(model, call.entry, AUDIT), AUDIT_SIZE)
    types = split(content(model, call.entry, TYPES), TYPE_SIZE)
    made = own + f"k/{KEY:02x}/v" in model.cells
    if audit and audit[0][4:] == data:
        return Expectation(OK, 68)
    if int(data[1:5].hex()) < (newest_estimate(model, call.entry.domain) or 0):
        refuse(0x6A80)
    position = next((at for at, one in enumerate(types) if one[0] == data[0]), None)
    if position is None:
        refuse(0x6A83)
    found = types[position]
    if not found[1] or not any(found[2:]):
        refuse(0x6985)
    if not made:
        refuse(0x6984)
    types[position] = found[:2] + (int.from_bytes(found[2:]) - 1).to_bytes(2)
    number = int.from_bytes(audit[0][:4]) + 1 if audit else 1
    changes: dict[str, object] = {
        own + "f/0001/d": joined(types),
        own + "f/0002/d": joined([number.to_bytes(4) + data, *audit][:MAX_AUDIT]),
    }
    return Expectation(OK, 68, changes=changes)


# --- community points


def is_signed(point: bytes, signature: bytes, kind: int, parts: bytes) -> bool:
    """Whether a message of the points protocol is signed by a key."""
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return False
    encoded = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        key.verify(encoded, b"jukicard points 1\0" + bytes((kind,)) + parts, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


class Purse:
    """What a purse holds."""

    def __init__(self, model: Model, call: Call) -> None:
        self.own = area(call.entry.instance)
        read = [content(model, call.entry, fid) for fid in range(6)]
        self.member, self.centre = read[MEMBER][:8], read[CENTRE]
        if not any(self.member):
            refuse(0x6985)
        numbers = [int.from_bytes(read[PURSE][at : at + 4]) for at in range(0, 20, 4)]
        self.balance, self.limit, self.paid, self.decided, self.then = numbers
        self.last = read[PURSE][20:]
        self.held = read[PAYMENT]
        entries = [read[RECEIVED][at : at + ENTRY_SIZE] for at in range(0, MAX_RECEIVED * ENTRY_SIZE, ENTRY_SIZE)]
        self.received = [one for one in entries if any(one[16:])]

    @property
    def held_amount(self) -> int:
        return int.from_bytes(self.held[-4:])

    @property
    def room(self) -> int:
        return self.limit - self.balance - self.held_amount

    def changes(self) -> dict[str, object]:
        numbers = (self.balance, self.limit, self.paid, self.decided, self.then)
        return {
            self.own + "f/0003/d": b"".join(number.to_bytes(4) for number in numbers) + self.last,
            self.own + "f/0004/d": self.held,
            self.own + "f/0005/d": b"".join(self.received).ljust(MAX_RECEIVED * ENTRY_SIZE, b"\0"),
        }

    def other(self, data: bytes) -> tuple[bytes, bytes]:
        """Number and key of another member."""
        number, point, signature = data[:8], data[8:73], data[73:SIGNED_MEMBER]
        if number == self.member or not is_signed(self.centre, signature, 1, number + point):
            refuse(0x6A80)
        return number, point


def _purse(model: Model, call: Call, rule: Callable[[Proof], bool]) -> Purse:
    if not rule(proof(model, call)):
        refuse(0x6982)
    return Purse(model, call)


def order(model: Model, call: Call) -> Expectation:
    credit, data = call.cmd.p1 == CREDIT, call.cmd.data
    purse = _purse(
        model, call, lambda proved: proved.has(POINTS, 0x01 if credit else 0x31) and (credit or proved.verified)
    )
    wanted, amount = bytes((call.cmd.p1,)) + data[:16], int.from_bytes(data[4:8])
    if not amount or not is_signed(purse.centre, data[16:], 2, purse.member + wanted):
        refuse(0x6A80)
    if wanted == purse.last:
        return Expectation(OK, 68)
    if int.from_bytes(data[:4]) != int.from_bytes(purse.last[1:5]) + 1:
        refuse(0x6985)
    if (credit and amount > purse.room) or (not credit and amount > purse.balance):
        refuse(0x6985)
    purse.balance += amount if credit else -amount
    purse.then, purse.last = purse.balance, wanted
    return Expectation(OK, 68, changes=purse.changes())


def invite(model: Model, call: Call) -> Expectation:
    purse = _purse(model, call, holder)
    payer, amount = call.cmd.data[:8], int.from_bytes(call.cmd.data[8:])
    if payer == purse.member or not amount:
        refuse(0x6A80)
    if amount > purse.room:
        refuse(0x6985)
    return Expectation(OK, 68)


def pay(model: Model, call: Call) -> Expectation:
    purse, data = _purse(model, call, with_password), call.cmd.data
    if not data:
        if not purse.held_amount:
            refuse(0x6985)
        return Expectation(OK, 68)
    if len(data) != SIGNED_MEMBER + 8 + 64:
        refuse(0x6A80)
    payee, point = purse.other(data)
    numbers, amount = data[SIGNED_MEMBER:-64], int.from_bytes(data[-68:-64])
    if not is_signed(point, data[-64:], 4, payee + purse.member + numbers):
        refuse(0x6A80)
    wanted = payee + point + numbers
    if purse.held_amount:
        if purse.held != wanted:
            refuse(0x6985)
    elif not 0 < amount <= purse.balance:
        refuse(0x6985)
    else:
        purse.balance, purse.paid, purse.held = purse.balance - amount, purse.paid + 1, wanted
    return Expectation(OK, 68, changes=purse.changes())


def receive(model: Model, call: Call) -> Expectation:
    purse, data = _purse(model, call, holder), call.cmd.data
    payer, point = purse.other(data)
    number, numbers = data[SIGNED_MEMBER : SIGNED_MEMBER + 4], data[SIGNED_MEMBER + 4 : -64]
    entry, amount = int.from_bytes(numbers[:4]), int.from_bytes(numbers[4:])
    if not is_signed(point, data[-64:], 5, payer + number + purse.member + numbers):
        refuse(0x6A80)
    if not amount or entry > purse.decided:
        refuse(0x6A80)
    if entry == purse.decided:
        purse.decided += 1
        if call.cmd.p1 == 0:
            if amount > purse.room:
                refuse(0x6985)
            purse.received = [one for one in purse.received if one[:8] != payer]
            if len(purse.received) >= MAX_RECEIVED:
                refuse(0x6A84)
            purse.received.append(payer + number + numbers)
            purse.balance += amount
    return Expectation(OK, 65, changes=purse.changes())


def finish(model: Model, call: Call) -> Expectation:
    purse, data = _purse(model, call, holder), call.cmd.data
    if not data:
        return Expectation(OK, 68)
    if not purse.held_amount:
        refuse(0x6985)
    payment = purse.member + purse.paid.to_bytes(4) + purse.held[:8] + purse.held[73:]
    if len(data) != 65 or data[0] > 1 or not is_signed(purse.held[8:73], data[1:], 6, payment + data[:1]):
        refuse(0x6A80)
    purse.balance += 0 if data[0] else purse.held_amount
    purse.held = bytes(len(purse.held))
    return Expectation(OK, 68, changes=purse.changes())


def confirm(model: Model, call: Call) -> Expectation:
    purse, data = _purse(model, call, holder), call.cmd.data
    payer, point = purse.other(data)
    number = data[SIGNED_MEMBER:-64]
    if not is_signed(point, data[-64:], 7, payer + number):
        refuse(0x6A80)
    purse.received = [one for one in purse.received if one[:8] != payer or one[8:12] > number]
    return Expectation(OK, changes=purse.changes())


SERVICE_RULES: dict[str, Callable[[Model, Call], Expectation]] = {
    "ISSUE CERTIFICATE": issue,
    "CARRY OUT ORDER": order,
    "INVITE PAYMENT": invite,
    "PAY": pay,
    "RECEIVE PAYMENT": receive,
    "FINISH PAYMENT": finish,
    "CONFIRM PAYMENT": confirm,
}
