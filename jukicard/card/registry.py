"""The registry of the card: its security domains and applications, and where each one's cells lie (GP 2.3.1, 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from functools import lru_cache

from jukicard.card.errors import CardError, Step
from jukicard.card.transaction import Transaction, area_prefix
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, parse_tlvs

CELL = "registry"
ISSUER_DOMAIN = 1
"""Instance number of the issuer security domain: the first application of every card."""
MAX_INSTANCES = 0xFFFF
"""Instance numbers are below this, and never used again."""


class CardState(IntEnum):
    """Card life cycle (GP 2.3.1, table 11-6); it is kept as the state of the issuer security domain."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


class ApplicationState(IntEnum):
    """Application and security domain life cycle (GP 2.3.1, tables 11-4 and 11-5); bit 8 set is LOCKED."""

    INSTALLED = 0x03
    SELECTABLE = 0x07
    PERSONALIZED = 0x0F


LOCKED = 0x80


class Privilege(IntFlag):
    """The three privilege bytes (GP 2.3.1, table 11-7), first byte highest."""

    SECURITY_DOMAIN = 0x800000
    DAP_VERIFICATION = 0x400000
    DELEGATED_MANAGEMENT = 0x200000
    CARD_LOCK = 0x100000
    CARD_TERMINATE = 0x080000
    CARD_RESET = 0x040000
    CVM_MANAGEMENT = 0x020000
    TRUSTED_PATH = 0x008000
    AUTHORIZED_MANAGEMENT = 0x004000
    GLOBAL_DELETE = 0x001000
    GLOBAL_LOCK = 0x000800
    GLOBAL_REGISTRY = 0x000400


@dataclass(frozen=True, slots=True)
class Entry:
    """One application.  `domain` is the instance number of its security domain; the issuer's own is its own.

    What follows from the others: `is_domain`, whether it is a security domain; `is_selectable`, whether it was made
    selectable and is not locked (the issuer's domain always is: its state is the card's); `area`, the prefix of its
    cells.
    """

    instance: int
    aid: AID
    load_file: AID
    module: AID
    domain: int
    privileges: Privilege
    state: int
    is_domain: bool = field(init=False, repr=False, compare=False)
    is_selectable: bool = field(init=False, repr=False, compare=False)
    area: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what follows."""
        selectable = bool(self.state & 0x04) and not self.state & LOCKED
        object.__setattr__(self, "is_domain", Privilege.SECURITY_DOMAIN in self.privileges)
        object.__setattr__(self, "is_selectable", self.instance == ISSUER_DOMAIN or selectable)
        object.__setattr__(self, "area", area_prefix(self.instance))

    def encode(self) -> Tlv:
        """Return the stored form."""
        return Tlv.build(
            0xE3,
            Tlv(0x80, self.instance.to_bytes(2)),
            Tlv(0x4F, bytes(self.aid)),
            Tlv(0xC4, bytes(self.load_file)),
            Tlv(0x84, bytes(self.module)),
            Tlv(0x81, self.domain.to_bytes(2)),
            Tlv(0xC5, self.privileges.to_bytes(3)),
            Tlv(0x82, bytes((self.state,))),
        )

    @classmethod
    def decode(cls, tlv: Tlv) -> Entry:
        """Read the stored form."""
        instance, aid, load_file, module, domain, privileges, state = (child.value for child in tlv.children)
        return cls(
            int.from_bytes(instance),
            AID(aid),
            AID(load_file),
            AID(module),
            int.from_bytes(domain),
            Privilege(int.from_bytes(privileges)),
            state[0],
        )


class Contents:
    """What the registry holds, read: entries in the order of their installation, the issuer security domain first."""

    __slots__ = ("_by_aid", "_by_instance", "card_state", "entries", "next_instance")

    def __init__(self, next_instance: int, entries: tuple[Entry, ...]) -> None:
        self.next_instance = next_instance
        self.entries = entries
        self._by_instance = {entry.instance: entry for entry in entries}
        self._by_aid = {bytes(entry.aid): entry for entry in entries}
        issuer = self._by_instance.get(ISSUER_DOMAIN)
        self.card_state = CardState(issuer.state) if issuer else CardState.OP_READY

    def by_instance(self, instance: int) -> Entry:
        """Return the entry with that instance number; 6985 where it is gone."""
        entry = self._by_instance.get(instance)
        if entry is None:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is gone", Step.APPLICATION)
        return entry

    def by_aid(self, aid: bytes) -> Entry | None:
        """Return the entry with exactly that AID, or None."""
        return self._by_aid.get(aid)

    def is_usable(self, entry: Entry) -> bool:
        """Return whether an application may run: it is not locked, nor the card: then the issuer's domain alone is."""
        if entry.instance == ISSUER_DOMAIN:
            return True
        return entry.is_selectable and self.card_state < CardState.CARD_LOCKED

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, stored: bytes | None) -> Contents:
        """Read the registry's cell; a chip without one is empty."""
        if stored is None:
            return cls(ISSUER_DOMAIN, ())
        counter, *entries = parse_tlvs(stored)
        return cls(int.from_bytes(counter.value), tuple(Entry.decode(entry) for entry in entries))


class Registry:
    """The registry as one command sees it."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @property
    def contents(self) -> Contents:
        """What it holds now, this command's own changes included."""
        return Contents.parse(self._transaction.read(CELL))

    def _save(self, next_instance: int, entries: tuple[Entry, ...]) -> None:
        counter = Tlv(0x80, next_instance.to_bytes(2))
        stored = b"".join(part.encode() for part in (counter, *(entry.encode() for entry in entries)))
        self._transaction.write(CELL, stored)

    def __iter__(self) -> Iterator[Entry]:
        """Yield all entries in the order of their installation, the issuer security domain first."""
        return iter(self.contents.entries)

    def by_instance(self, instance: int) -> Entry:
        """Return the entry with that instance number; 6985 where it is gone."""
        return self.contents.by_instance(instance)

    def by_aid(self, aid: bytes) -> Entry | None:
        """Return the entry with exactly that AID, or None."""
        return self.contents.by_aid(aid)

    def add(
        self, aid: AID, load_file: AID, module: AID, domain: int | None, privileges: Privilege, state: int
    ) -> Entry:
        """Enter a new application under `domain` (None: its own, for the issuer's); its AID must be new (6A80)."""
        contents = self.contents
        next_instance, entries = contents.next_instance, contents.entries
        if contents.by_aid(bytes(aid)):
            raise CardError(StatusWord.INCORRECT_DATA, f"an application {aid} exists")
        if next_instance >= MAX_INSTANCES:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "this card has used up its instance numbers")
        entry = Entry(next_instance, aid, load_file, module, domain or next_instance, privileges, state)
        self._save(next_instance + 1, (*entries, entry))
        return entry

    def set_state(self, entry: Entry, state: int) -> None:
        """Move an entry to another life cycle state."""
        contents = self.contents
        changed = tuple(replace(e, state=state) if e.instance == entry.instance else e for e in contents.entries)
        self._save(contents.next_instance, changed)

    def remove(self, entry: Entry) -> None:
        """Delete an application with every cell of its area."""
        contents = self.contents
        self._save(contents.next_instance, tuple(e for e in contents.entries if e.instance != entry.instance))
        for cell in self._transaction.cells(entry.area):
            self._transaction.write(cell, None)

    def is_usable(self, entry: Entry) -> bool:
        """Return whether an application may run: see `Contents`."""
        return self.contents.is_usable(entry)

    @property
    def card_state(self) -> CardState:
        """The card's life cycle state."""
        return self.contents.card_state
