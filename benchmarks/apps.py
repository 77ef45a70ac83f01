"""Loaded applications: an empty command beside an equally empty built-in one, and what it takes to load code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import ClassVar

from wasmtime import wat2wasm

from benchmarks import cards
from benchmarks.measuring import WALL, Effort, Item, in_turns, limit, repeat
from jukicard.applets.catalogue import rom
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, municipal_domain_aid
from jukicard.applets.gp.loadfile import DataBlock, LoadFileStructure, Module
from jukicard.applets.wasm.layout import INTERFACE_VERSION, MAX_PAGES, PAGE
from jukicard.applets.wasm.loader import WasmLoader
from jukicard.card.applet import Applet
from jukicard.card.card import Card
from jukicard.card.commands import ANY, ANY_DATA, FREE, INTERINDUSTRY, command
from jukicard.card.context import Context
from jukicard.card.ports import Ports
from jukicard.card.registry import ISSUER_DOMAIN, ApplicationState, Privilege, Registry
from jukicard.card.store import MemoryStore
from jukicard.card.transaction import Transaction
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.limits import Limits
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.issuer.municipal.approvals import Application, approve
from jukicard.issuer.municipal.ordinance import purposes
from jukicard.reader.cardfile import CardFile
from jukicard.reader.chips import CardFileChip
from jukicard.reader.emulator import EmulatorConnection
from jukicard.sdk.building import without_custom_sections
from jukicard.testing.apps import LoadedApplication
from jukicard.testing.offices import Office, blank_cells
from jukicard.testing.seeds import randomness

_BUILT_IN, _LOADED, _LOAD_FILE = AID(b"\xf0empty"), AID(b"\xf0loaded"), AID(b"\xf0file")
_EMPTY_COMMAND = bytes.fromhex("00100000")
_FRAME = '(module (memory (export "memory") 1 1) {} (func (export "process") (result i32) (i32.const 0x9000)))'
_FUNCTION = """(func (param i32 i32) (result i32) (local i32)
    (block (loop
        (br_if 1 (i32.ge_u (local.get 2) (local.get 1)))
        (i32.store8 (i32.add (local.get 0) (local.get 2)) (i32.xor (i32.load8_u (local.get 2)) (i32.const 165)))
        (local.set 2 (i32.add (local.get 2) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get 2) (i32.const 1000)))))
    (i32.add (local.get 2) (i32.load (local.get 0))))"""
_SIZE = 32 * 1024
_COMMAND_LIMIT, _SELECTED_LIMIT, _LOADING_LIMIT = 100.0, 1000.0, 0.5


class Empty(Applet):
    """It answers one command, and does nothing."""

    load_file: ClassVar[AID] = _LOAD_FILE
    module: ClassVar[AID] = _BUILT_IN
    label: ClassVar[str] = "Empty"

    @command(INTERINDUSTRY, ins=0x10, p1=ANY, p2=ANY, length=ANY_DATA, access=FREE, writes=True, spec="")
    def nothing(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Answer 9000."""
        return ResponseAPDU()


def run(effort: Effort) -> Iterator[Item]:
    """The commands in turns, then the loading."""
    chips = {_BUILT_IN: _chip(_BUILT_IN), _LOADED: _chip(_LOADED)}
    for aid, chip in chips.items():
        chip.transmit(_select(aid))
        cards.require(chip.transmit(_EMPTY_COMMAND), 0x9000, 0)
    contenders = {str(aid): repeat(lambda chip=chip: chip.transmit(_EMPTY_COMMAND)) for aid, chip in chips.items()}
    times = in_turns(contenders, effort.rounds, effort.slice_seconds)
    more = [1e6 * (own - other) for own, other in zip(times[str(_LOADED)], times[str(_BUILT_IN)], strict=True)]
    yield limit("loaded application: an empty command, beyond an empty built-in one", more, _COMMAND_LIMIT, "µs")
    loaded = chips[_LOADED]

    def anew() -> None:
        loaded.transmit(_select(_LOADED))
        loaded.transmit(_EMPTY_COMMAND)

    times = in_turns({"anew": repeat(anew)}, effort.rounds, effort.slice_seconds)
    selected = [1e6 * seconds for seconds in times["anew"]]
    yield limit("loaded application: an empty command, once selected anew", selected, _SELECTED_LIMIT, "µs")
    with cards.issued_office() as office:
        yield limit("loaded application: loading 32 kB over SCP03", _loading(office, min(effort.rounds, 15)), 1.0, "s")
    block = _block(_large())
    compiling = in_turns(
        {"load": repeat(lambda: WasmLoader().modules(block, MAX_PAGES * PAGE))}, min(effort.rounds, 15), 0.0
    )
    yield limit("loaded application: checking and compiling 32 kB", compiling["load"], _LOADING_LIMIT, "s")


def _loading(office: Office, rounds: int) -> list[float]:
    """Seconds from INSTALL [for load] to the answer to the last LOAD, both sides, into a card file: signatures, purpose
    and code verified, everything durable.  Each round another code, which nobody has compiled before.
    """
    path = office.home / "loading.juki"
    CardFile.create(path, office.authority.storage_key, office.cells, card_id=b"loading").close()
    purpose = next(iter(purposes(office.home)))
    seconds = []
    with contextlib.closing(CardFileChip(path, office.authority.storage_key)) as chip:
        domain = DomainClient(standard(EmulatorConnection(chip.card)), municipal_domain_aid(office.setting.city.code))
        domain.select()
        domain.open_scp03(CardKeyring(office.authority), os.urandom(8))
        for number in range(rounds):
            block = DataBlock.parse(_block(_large(number)))
            unsigned = Application(LoadFileStructure((), block.encode()), block)
            approved = approve(office.authority, unsigned, purpose, Limits(_SIZE, PAGE))
            start = WALL()
            domain.install_for_load(approved.load_file, digest=approved.structure.digest, approval=approved.approval)
            domain.load(approved.structure.encode())
            seconds.append(WALL() - start)
            domain.delete(approved.load_file)
    return seconds


def _select(aid: AID) -> bytes:
    return CommandAPDU(0x00, 0xA4, 0x04, 0x00, bytes(aid), 256).encode()


def _chip(aid: AID) -> Card:
    application = LoadedApplication(DataBlock.parse(_block(_code(""))), AID(b"\xf0other"), _LOADED)
    store = MemoryStore(application.on(blank_cells(), ISSUER_DOMAIN_AID))
    transaction = Transaction(store)
    Registry(transaction).add(
        _BUILT_IN, _LOAD_FILE, _BUILT_IN, ISSUER_DOMAIN, Privilege(0), ApplicationState.SELECTABLE
    )
    transaction.commit()
    card = Card(store, rom((Empty,)), Ports(randomness(str(aid))))
    card.power_on()
    return card


def _block(code: bytes) -> bytes:
    return DataBlock(1, (Module(_LOADED, "Loaded", INTERFACE_VERSION, code),)).encode()


def _code(functions: str) -> bytes:
    return without_custom_sections(bytes(wat2wasm(_FRAME.format(functions))))


def _large(number: int = 0) -> bytes:
    """A module of 32 kB, of loops over bytes; each number makes another one."""
    one = len(_code(_FUNCTION)) - len(_code(""))
    return _code(_FUNCTION * (_SIZE // one) + _FUNCTION.replace("165", str(number % 60)))
