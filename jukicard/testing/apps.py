"""Loaded applications on cards for tests: put there without anybody's approval, by the card's own code.

    card = specimens.make(Kind.ACTIVE, application=LoadedApplication.of(Path("hello")))
    card.transmit(bytes.fromhex("00A4040007F068656C6C6F01"))
    card.transmit(bytes.fromhex("00100000"))

The card is the one that it would be after `juki app load` and `juki app install`, but for the load file's signature and
the approval: limits are those that the application's app.toml asks for, or others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from jukicard.applets.catalogue import rom
from jukicard.applets.gp.loadfile import DataBlock
from jukicard.card.code import CODE_CELL, Code
from jukicard.card.context import DomainContext, Services
from jukicard.card.memory import Memory
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import ISSUER_DOMAIN, ApplicationState, Privilege, Registry
from jukicard.card.routing import Routing
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.card.volatile import Volatile
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
from jukicard.sdk.building import build
from jukicard.sdk.project import Project
from jukicard.testing.seeds import randomness


@dataclass(frozen=True)
class LoadedApplication:
    """An application to be loaded: its load file, the instance's AID, its limits, its installation parameters."""

    block: DataBlock
    load_file: AID
    aid: AID
    limits: Limits | None = None
    parameters: bytes = b""

    @classmethod
    def of(cls, folder: Path, parameters: bytes = b"", aid: AID | None = None) -> LoadedApplication:
        """Build the application in a folder; its instance is called like its module, if no other name is given.

        Raises ProjectError and BuildError (`jukicard.sdk`).
        """
        project = Project.read(folder)
        return cls(_built(project), project.load_file, aid or project.module, project.limits, parameters)

    def on(
        self, cells: Mapping[str, bytes], domain: AID, random: Callable[[int], bytes] | None = None
    ) -> dict[str, bytes]:
        """Return a card's cells with the application installed in a security domain.

        Raises CardError as INSTALL would: 6A80 for code that no card takes, 6A84 where there is no room.
        """
        store = MemoryStore(cells)
        data_block = self.block.encode()
        with_code = _context(store, domain, random)
        limits = self.limits or with_code.entry.limits  # the domain's own, for want of others
        modules = with_code.code.loader.modules(data_block, limits.memory)
        digest = sha256(data_block).digest()
        number = with_code.entry.instance
        file = with_code.registry.add_load_file(self.load_file, number, self.block.version, digest, limits, modules)
        with_code.store_code(file.area + CODE_CELL, data_block)
        with_code.complete()
        ctx = _context(store, domain, random)
        state = ApplicationState.SELECTABLE
        entry = ctx.registry.add(self.aid, self.load_file, modules[0], number, Privilege(0), state, self.limits)
        ctx.code.applet(entry).install(ctx.inside(entry), self.parameters)
        ctx.complete()
        return store.snapshot()


@lru_cache(maxsize=32)
def _built(project: Project) -> DataBlock:
    return build(project)


class _Loading(DomainContext):
    """A security domain's context in which a load file is stored."""

    __slots__ = ()

    def store_code(self, cell: str, data_block: bytes) -> None:
        """Write the cell that holds a load file data block."""
        self._transaction.write(cell, data_block)


def _context(store: MemoryStore, domain: AID, random: Callable[[int], bytes] | None) -> _Loading:
    code, memory = Code(rom(), store), Memory(store)
    volatile = Volatile.at_reset(ISSUER_DOMAIN)
    ports = Ports(random or randomness("a loaded application"))
    services = Services(ports, code, store, memory, Routing(store, code), Interface.CONTACT, volatile)
    transaction = Transaction(store, memory)
    entry = Registry(transaction).by_aid(bytes(domain))
    if entry is None or not entry.is_domain:
        raise ValueError(f"the card has no security domain {domain}")
    return _Loading(services, transaction, volatile.basic, code.applet(entry), entry, entry, None)
