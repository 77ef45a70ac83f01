"""The registry of the card: its load files, security domains and applications, and where each one's cells lie (GP
2.3.1, 6.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from functools import lru_cache

from jukicard.card.errors import CardError, Step
from jukicard.card.transaction import Transaction, area_prefix
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
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
_APPLICATION, _LOAD_FILE = 0xE3, 0xE4


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


CARD_LIMITS = Limits(0x200000, 0x200000)
"""What there is on a card: 2 MiB of each, the issuer domain's own and what the others have reserved."""
DOMAIN_LIMITS = Limits(0x020000, 0x040000)
"""What a security domain has that was installed without a word about it: 128 KiB, and 256 KiB volatile."""
UNLIMITED = Limits(0xFFFFFFFF, 0xFFFFFFFF)
"""An application installed without limits has no other than its domain's."""


@dataclass(frozen=True, slots=True)
class LoadFile:
    """An executable load file that was loaded (GP 2.3.1, 6.3): `number` names its cells, from the instances' numbers.

    `modules` are the AIDs of the modules in it, `digest` the SHA-256 of its data block; `limits` of
    its approval hold for every application made of it.
    """

    number: int
    aid: AID
    domain: int
    version: int
    digest: bytes
    limits: Limits
    modules: tuple[AID, ...]

    @property
    def area(self) -> str:
        """The prefix of its cells."""
        return area_prefix(self.number)

    def encode(self) -> Tlv:
        """Return the stored form."""
        return Tlv.build(
            _LOAD_FILE,
            Tlv(0x80, self.number.to_bytes(2)),
            Tlv(0x4F, bytes(self.aid)),
            Tlv(0x81, self.domain.to_bytes(2)),
            Tlv(0xCE, self.version.to_bytes(2)),
            Tlv(0xC1, self.digest),
            Tlv(0x86, self.limits.encode()),
            *(Tlv(0x84, bytes(module)) for module in self.modules),
        )

    @classmethod
    def decode(cls, tlv: Tlv) -> LoadFile:
        """Read the stored form."""
        number, aid, domain, version, digest, limits, *modules = (child.value for child in tlv.children)
        return cls(
            int.from_bytes(number),
            AID(aid),
            int.from_bytes(domain),
            int.from_bytes(version),
            digest,
            Limits.decode(limits),
            tuple(AID(module) for module in modules),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One application.  `domain` is the instance number of its security domain; the issuer's own is its own.

    `granted` are the limits that it was installed with, or None.

    What follows from the others: `is_domain`, whether it is a security domain; `is_selectable`, whether it was made
    selectable and is not locked (the issuer's domain always is: its state is the card's); `area`, the prefix of its
    cells; `limits`, those in force, and the `rights` among them as a number.
    """

    instance: int
    aid: AID
    load_file: AID
    module: AID
    domain: int
    privileges: Privilege
    state: int
    granted: Limits | None = None
    is_domain: bool = field(init=False, repr=False, compare=False)
    is_selectable: bool = field(init=False, repr=False, compare=False)
    area: str = field(init=False, repr=False, compare=False)
    limits: Limits = field(init=False, repr=False, compare=False)
    rights: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what follows."""
        selectable = bool(self.state & 0x04) and not self.state & LOCKED
        object.__setattr__(self, "is_domain", Privilege.SECURITY_DOMAIN in self.privileges)
        object.__setattr__(self, "is_selectable", self.instance == ISSUER_DOMAIN or selectable)
        object.__setattr__(self, "area", area_prefix(self.instance))
        default = CARD_LIMITS if self.instance == ISSUER_DOMAIN else DOMAIN_LIMITS if self.is_domain else UNLIMITED
        object.__setattr__(self, "limits", self.granted or default)
        object.__setattr__(self, "rights", int(self.limits.rights))

    def encode(self) -> Tlv:
        """Return the stored form."""
        return Tlv.build(
            _APPLICATION,
            Tlv(0x80, self.instance.to_bytes(2)),
            Tlv(0x4F, bytes(self.aid)),
            Tlv(0xC4, bytes(self.load_file)),
            Tlv(0x84, bytes(self.module)),
            Tlv(0x81, self.domain.to_bytes(2)),
            Tlv(0xC5, self.privileges.to_bytes(3)),
            Tlv(0x82, bytes((self.state,))),
            *((Tlv(0x86, self.granted.encode()),) if self.granted else ()),
        )

    @classmethod
    def decode(cls, tlv: Tlv) -> Entry:
        """Read the stored form."""
        instance, aid, load_file, module, domain, privileges, state, *granted = (child.value for child in tlv.children)
        return cls(
            int.from_bytes(instance),
            AID(aid),
            AID(load_file),
            AID(module),
            int.from_bytes(domain),
            Privilege(int.from_bytes(privileges)),
            state[0],
            Limits.decode(granted[0]) if granted else None,
        )


class Contents:
    """What the registry holds, read: entries in the order of their installation, the issuer security domain first; load
    files in the order of their loading.
    """

    __slots__ = (
        "_below",
        "_by_aid",
        "_by_instance",
        "_encoded",
        "_load_files",
        "_reserved",
        "card_state",
        "entries",
        "load_files",
        "next_instance",
    )

    def __init__(self, next_instance: int, entries: tuple[Entry, ...], load_files: tuple[LoadFile, ...] = ()) -> None:
        self.next_instance = next_instance
        self.entries = entries
        self.load_files = load_files
        self._load_files = {bytes(file.aid): file for file in load_files}
        self._by_instance = {entry.instance: entry for entry in entries}
        self._by_aid = {bytes(entry.aid): entry for entry in entries}
        issuer = self._by_instance.get(ISSUER_DOMAIN)
        self.card_state = CardState(issuer.state) if issuer else CardState.OP_READY
        self._encoded: bytes | None = None
        self._below: dict[int, tuple[Entry, ...]] = {}
        self._reserved: dict[int, tuple[str, ...]] = {}

    def by_instance(self, instance: int) -> Entry:
        """Return the entry with that instance number; 6985 where it is gone."""
        entry = self._by_instance.get(instance)
        if entry is None:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is gone", Step.APPLICATION)
        return entry

    def by_aid(self, aid: bytes) -> Entry | None:
        """Return the entry with exactly that AID, or None."""
        return self._by_aid.get(aid)

    def load_file(self, aid: bytes) -> LoadFile | None:
        """Return the loaded file with exactly that AID, or None."""
        return self._load_files.get(aid)

    def domains_below(self, domain: Entry) -> tuple[Entry, ...]:
        """Return the security domains directly below a domain: what they reserve is of its own."""
        number = domain.instance
        below = self._below.get(number)
        if below is None:
            below = tuple(e for e in self.entries if e.is_domain and e.domain == number and e.instance != number)
            self._below[number] = below
        return below

    def areas_of(self, domain: Entry) -> tuple[str, ...]:
        """Return the areas that a domain's reserve holds: its own, its applications', its load files'."""
        number = domain.instance
        areas = self._reserved.get(number)
        if areas is None:
            applications = (entry.area for entry in self.entries if entry.domain == number and not entry.is_domain)
            files = (file.area for file in self.load_files if file.domain == number)
            areas = self._reserved[number] = (domain.area, *applications, *files)
        return areas

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
        counter, *kept = parse_tlvs(stored)
        entries = tuple(Entry.decode(tlv) for tlv in kept if tlv.tag == _APPLICATION)
        load_files = tuple(LoadFile.decode(tlv) for tlv in kept if tlv.tag == _LOAD_FILE)
        return cls(int.from_bytes(counter.value), entries, load_files)

    def encode(self) -> bytes:
        """Return the stored form: the counter, the applications, the load files."""
        if self._encoded is None:
            kept = (*(entry.encode() for entry in self.entries), *(file.encode() for file in self.load_files))
            self._encoded = b"".join(part.encode() for part in (Tlv(0x80, self.next_instance.to_bytes(2)), *kept))
        return self._encoded


# What a registry becomes by a change follows from the two alone: it is worked out once for all chips (ADR 7).


@lru_cache(maxsize=1024)
def _with(contents: Contents, entry: Entry) -> Contents:
    """Return a registry with a new entry, whose number is the next one."""
    return Contents(entry.instance + 1, (*contents.entries, entry), contents.load_files)


@lru_cache(maxsize=1024)
def _changed(contents: Contents, entry: Entry) -> Contents:
    """Return a registry with an entry in the place of the one with its instance number."""
    changed = tuple(entry if e.instance == entry.instance else e for e in contents.entries)
    return Contents(contents.next_instance, changed, contents.load_files)


@lru_cache(maxsize=1024)
def _moved(contents: Contents, entry: Entry, state: int) -> Contents:
    return _changed(contents, replace(entry, state=state))


class Registry:
    """The registry as one command sees it."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @property
    def contents(self) -> Contents:
        """What it holds now, this command's own changes included."""
        return Contents.parse(self._transaction.read(CELL))

    def _save(self, contents: Contents) -> None:
        self._transaction.write(CELL, contents.encode())

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
        self,
        aid: AID,
        load_file: AID,
        module: AID,
        domain: int | None,
        privileges: Privilege,
        state: int,
        granted: Limits | None = None,
    ) -> Entry:
        """Enter a new application under `domain` (None: its own, for the issuer's); its AID must be new (6A80)."""
        contents = self._with_room(aid)
        number = contents.next_instance
        entry = Entry(number, aid, load_file, module, domain or number, privileges, state, granted)
        self._save(_with(contents, entry))
        return entry

    def add_load_file(
        self, aid: AID, domain: int, version: int, digest: bytes, limits: Limits, modules: tuple[AID, ...]
    ) -> LoadFile:
        """Enter a load file; its AID must be new (6A80)."""
        contents = self._with_room(aid)
        number = contents.next_instance
        file = LoadFile(number, aid, domain, version, digest, limits, modules)
        self._save(Contents(number + 1, contents.entries, (*contents.load_files, file)))
        return file

    def _with_room(self, aid: AID) -> Contents:
        contents = self.contents
        if contents.by_aid(bytes(aid)) or contents.load_file(bytes(aid)):
            raise CardError(StatusWord.INCORRECT_DATA, f"an application or load file {aid} exists")
        if contents.next_instance >= MAX_INSTANCES:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "this card has used up its instance numbers")
        return contents

    def change(self, entry: Entry) -> None:
        """Put an entry in the place of the one with its instance number."""
        self._save(_changed(self.contents, entry))

    def set_state(self, entry: Entry, state: int) -> None:
        """Move an entry to another life cycle state."""
        self._save(_moved(self.contents, entry, state))

    def remove(self, entry: Entry) -> None:
        """Delete an application with every cell of its area."""
        contents = self.contents
        kept = tuple(e for e in contents.entries if e.instance != entry.instance)
        self._save(Contents(contents.next_instance, kept, contents.load_files))
        self._erase(entry.area)

    def remove_load_file(self, file: LoadFile) -> None:
        """Delete a load file with every cell of its area."""
        contents = self.contents
        kept = tuple(f for f in contents.load_files if f.number != file.number)
        self._save(Contents(contents.next_instance, contents.entries, kept))
        self._erase(file.area)

    def _erase(self, area: str) -> None:
        for cell in self._transaction.cells(area):
            self._transaction.write(cell, None)

    def is_usable(self, entry: Entry) -> bool:
        """Return whether an application may run: see `Contents`."""
        return self.contents.is_usable(entry)

    @property
    def card_state(self) -> CardState:
        """The card's life cycle state."""
        return self.contents.card_state
