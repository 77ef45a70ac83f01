"""What is stored in a purse, and what is signed: one codec for both ends.

Numbers are big-endian; amounts, counts and sequence numbers have 4 bytes, a member's number 8.  Each message that is
signed begins with a text of this protocol and the kind of message, so that none can be taken for another; all its parts
have fixed lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from jukicard.applets.points.layout import CREDIT, DEBIT, MAX_RECEIVED, MEMBER_SIZE, POINT_SIZE
from jukicard.securechannel.signatures import SIGNATURE_SIZE

_CONTEXT = b"jukicard points 1\0"
MAX_AMOUNT = 0xFFFFFFFF


class PointsError(ValueError):
    """The bytes are no message or content of this protocol."""


class Kind(IntEnum):
    """The kinds of messages."""

    MEMBER = 1
    ORDER = 2
    RECEIPT = 3
    INVITATION = 4
    VOUCHER = 5
    OUTCOME = 6
    FINISHED = 7


def _number(value: int) -> bytes:
    return value.to_bytes(4)


def _numbers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 4]) for at in range(0, len(data), 4))


def _exactly(data: bytes, size: int, what: str) -> None:
    if len(data) != size:
        raise PointsError(f"{what} has {size} bytes")


@dataclass(frozen=True, slots=True)
class Member:
    """A card as the points centre knows it: its number, its public key (a point of P-256), the centre's signature."""

    number: bytes
    point: bytes
    signature: bytes = field(repr=False)

    SIZE = MEMBER_SIZE + POINT_SIZE + SIGNATURE_SIZE

    @staticmethod
    def message_for(number: bytes, point: bytes) -> bytes:
        """Return what the centre signs."""
        return _CONTEXT + bytes((Kind.MEMBER,)) + number + point

    @property
    def message(self) -> bytes:
        """What the centre has signed."""
        return self.message_for(self.number, self.point)

    def encode(self) -> bytes:
        """Return the content of EF.MEMBER."""
        return self.number + self.point + self.signature

    @classmethod
    def parse(cls, data: bytes) -> Member:
        """Read it, or raise `PointsError`."""
        _exactly(data, cls.SIZE, "a member")
        start = MEMBER_SIZE + POINT_SIZE
        return cls(data[:MEMBER_SIZE], data[MEMBER_SIZE:start], data[start:])


@dataclass(frozen=True, slots=True)
class Order:
    """What the centre orders a card to do, once: credit or debit an amount; `reference` (8 bytes) is the shop's."""

    direction: int
    sequence: int
    amount: int
    reference: bytes

    SIZE = 16

    def __post_init__(self) -> None:
        if not 1 <= self.amount <= MAX_AMOUNT or len(self.reference) != 8 or self.direction not in (CREDIT, DEBIT):
            raise PointsError("an order is of 1 to 4294967295 points, with a reference of 8 bytes")

    def encode(self) -> bytes:
        """Return it without its direction, which stands in P1."""
        return _number(self.sequence) + _number(self.amount) + self.reference

    @classmethod
    def parse(cls, direction: int, data: bytes) -> Order:
        """Read it, or raise `PointsError`."""
        _exactly(data, cls.SIZE, "an order")
        sequence, amount = _numbers(data[:8])
        return cls(direction, sequence, amount, data[8:])

    def message(self, member: bytes) -> bytes:
        """Return what the centre signs."""
        return _CONTEXT + bytes((Kind.ORDER,)) + member + bytes((self.direction,)) + self.encode()

    def receipt(self, member: bytes, balance: int) -> bytes:
        """Return what the card signs when it has done it; `balance` is what it had then."""
        parts = member + bytes((self.direction,)) + self.encode() + _number(balance)
        return _CONTEXT + bytes((Kind.RECEIPT,)) + parts


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment from card to card: `number` counts those that the payer has begun, `entry` those that the payee has
    decided upon.
    """

    payer: bytes
    number: int
    payee: bytes
    entry: int
    amount: int

    @property
    def invitation(self) -> bytes:
        """What the payee signs when it would receive it; it does not know the payer's number."""
        parts = self.payee + self.payer + _number(self.entry) + _number(self.amount)
        return _CONTEXT + bytes((Kind.INVITATION,)) + parts

    @property
    def _parts(self) -> bytes:
        return self.payer + _number(self.number) + self.payee + _number(self.entry) + _number(self.amount)

    @property
    def voucher(self) -> bytes:
        """What the payer signs when it has taken the points out of its balance."""
        return _CONTEXT + bytes((Kind.VOUCHER,)) + self._parts

    def outcome(self, *, accepted: bool) -> bytes:
        """Return what the payee signs when it has decided, for good."""
        return _CONTEXT + bytes((Kind.OUTCOME,)) + self._parts + bytes((accepted,))


def finished_message(payer: bytes, number: int) -> bytes:
    """Return what a payer signs when it awaits nothing any more of its payments up to a number."""
    return _CONTEXT + bytes((Kind.FINISHED,)) + payer + _number(number)


@dataclass(frozen=True, slots=True)
class Purse:
    """The content of EF.PURSE: balance and limit; the last order and the balance after it; the number of payments
    begun and of payments decided upon.
    """

    balance: int = 0
    limit: int = 0
    paid: int = 0
    decided: int = 0
    balance_then: int = 0
    last: Order | None = None

    SIZE = 37

    @property
    def sequence(self) -> int:
        """The sequence number of the last order, 0 before the first."""
        return self.last.sequence if self.last else 0

    def encode(self) -> bytes:
        """Return the content."""
        numbers = (self.balance, self.limit, self.paid, self.decided, self.balance_then)
        order = bytes((self.last.direction,)) + self.last.encode() if self.last else bytes(17)
        return b"".join(map(_number, numbers)) + order

    @classmethod
    def parse(cls, content: bytes) -> Purse:
        """Read it, or raise `PointsError`."""
        _exactly(content, cls.SIZE, "a purse")
        balance, limit, paid, decided, balance_then = _numbers(content[:20])
        last = Order.parse(content[20], content[21:]) if content[20] else None
        return cls(balance, limit, paid, decided, balance_then, last)


@dataclass(frozen=True, slots=True)
class Held:
    """The content of EF.PAYMENT: the payment that has left the balance and is not finished, and the payee's key."""

    payee: bytes
    point: bytes
    entry: int
    amount: int

    SIZE = MEMBER_SIZE + POINT_SIZE + 8
    NONE = bytes(SIZE)

    def encode(self) -> bytes:
        """Return the content."""
        return self.payee + self.point + _number(self.entry) + _number(self.amount)

    @classmethod
    def parse(cls, content: bytes) -> Held | None:
        """Read it; None where no payment is under way.  PointsError for another length."""
        _exactly(content, cls.SIZE, "a payment under way")
        entry, amount = _numbers(content[-8:])
        return cls(content[:MEMBER_SIZE], content[MEMBER_SIZE:-8], entry, amount) if amount else None

    def payment(self, payer: bytes, number: int) -> Payment:
        """Return the payment as the parties sign it."""
        return Payment(payer, number, self.payee, self.entry, self.amount)


@dataclass(frozen=True, slots=True)
class Received:
    """One entry of EF.RECEIVED, 20 bytes: a payment that was accepted and whose payer may not know yet."""

    payer: bytes
    number: int
    entry: int
    amount: int

    SIZE = MEMBER_SIZE + 12

    def encode(self) -> bytes:
        """Return the entry."""
        return self.payer + _number(self.number) + _number(self.entry) + _number(self.amount)

    @classmethod
    def parse_all(cls, content: bytes) -> list[Received]:
        """Read EF.RECEIVED, or raise `PointsError`: an entry of no points is a free place."""
        _exactly(content, cls.SIZE * MAX_RECEIVED, "EF.RECEIVED")
        parts = (content[at : at + cls.SIZE] for at in range(0, len(content), cls.SIZE))
        found = (cls(part[:MEMBER_SIZE], *_numbers(part[MEMBER_SIZE:])) for part in parts)
        return [one for one in found if one.amount]

    @staticmethod
    def encode_all(entries: list[Received]) -> bytes:
        """Return the content of EF.RECEIVED."""
        return b"".join(one.encode() for one in entries).ljust(Received.SIZE * MAX_RECEIVED, b"\0")
