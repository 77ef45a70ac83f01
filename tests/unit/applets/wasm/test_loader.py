"""The loader: what it verifies, what it keeps compiled, and a chip without it."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import pytest

from jukicard.applets import catalogue
from jukicard.applets.gp.loadfile import DataBlock, Module
from jukicard.applets.wasm import loader as loader_module
from jukicard.applets.wasm.layout import INTERFACE_VERSION, PAGE
from jukicard.applets.wasm.loader import CACHED, WasmLoader
from jukicard.card.card import Card
from jukicard.card.code import CODE_CELL
from jukicard.card.errors import CardError
from jukicard.card.ports import Ports
from jukicard.card.registry import LoadFile
from jukicard.card.store import MemoryStore
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.testing.seeds import randomness
from tests.support.wasm import APP, EMPTY, ROOMY, chip_with, process, wat

ONE, TWO = AID(b"\xf0one00"), AID(b"\xf0two00")


def block(*codes: bytes, interface: int = INTERFACE_VERSION, version: int = 1) -> bytes:
    names = (AID(b"\xf0mod" + bytes((n, 0))) for n in range(len(codes)))
    modules = (Module(name, "Test", interface, code) for name, code in zip(names, codes, strict=False))
    return DataBlock(version, tuple(modules)).encode()


def file(data_block: bytes, aid: AID = ONE) -> LoadFile:
    modules = tuple(module.aid for module in DataBlock.parse(data_block).modules)
    return LoadFile(9, aid, 2, 1, sha256(data_block).digest(), ROOMY, modules)


def never() -> bytes:
    raise AssertionError("the store is not asked")


def test_every_module_of_a_load_file_is_verified() -> None:
    two = block(wat(EMPTY), wat(process("(i32.const 0x6985)")))
    assert WasmLoader().modules(two, PAGE) == file(two).modules
    for wrong in (
        b"",
        b"\0",
        two[:-1],
        block(wat(EMPTY), wat(EMPTY)[:-1]),
        block(b"not WebAssembly"),
        block(wat(EMPTY), interface=INTERFACE_VERSION + 1),
        block(wat(EMPTY), interface=0),
        block(wat(EMPTY).replace(b"\x41\x80\xa0\x02", b"\x42\x80\xa0\x02")),  # an i64 where an i32 is due
    ):
        with pytest.raises(CardError) as caught:
            WasmLoader().modules(wrong, PAGE)
        assert caught.value.sw == 0x6A80


def test_what_was_compiled_is_found_by_digest() -> None:
    loader, data_block = WasmLoader(), block(wat(EMPTY))
    loader.modules(data_block, PAGE)
    first = loader.applet(file(data_block), file(data_block).modules[0], never)
    other = loader.applet(file(data_block, TWO), file(data_block).modules[0], never)
    assert (first.load_file, other.load_file) == (ONE, TWO)
    assert first.label == "Test"
    fresh = WasmLoader()
    fresh.applet(file(data_block), file(data_block).modules[0], lambda: data_block)
    fresh.applet(file(data_block), file(data_block).modules[0], never)


def test_only_so_much_is_kept() -> None:
    loader, blocks = WasmLoader(), [block(wat(EMPTY), version=n) for n in range(CACHED + 1)]
    for data_block in blocks[:-1]:
        loader.modules(data_block, PAGE)
    loader.applet(file(blocks[0]), file(blocks[0]).modules[0], never)
    loader.modules(blocks[-1], PAGE)
    loader.applet(file(blocks[0]), file(blocks[0]).modules[0], never)  # used lately
    with pytest.raises(AssertionError, match="the store"):
        loader.applet(file(blocks[1]), file(blocks[1]).modules[0], never)


def test_a_module_that_needs_more_memory_than_was_approved_is_refused() -> None:
    roomy = wat(EMPTY, memory='(memory (export "memory") 1 2)')
    assert WasmLoader().modules(block(roomy), 2 * PAGE)
    with pytest.raises(CardError) as caught:
        WasmLoader().modules(block(roomy), 2 * PAGE - 1)
    assert caught.value.sw == 0x6A84


def test_stored_code_that_is_not_what_was_loaded_is_not_run() -> None:
    good, other = block(wat(EMPTY)), block(wat(process("(i32.const 0x6985)")))
    for stored in (other, b"", good + b"\0"):
        with pytest.raises(CardError) as caught:
            WasmLoader().applet(file(good), file(good).modules[0], lambda stored=stored: stored)
        assert caught.value.sw == 0x6581


def test_nothing_compiled_is_stored() -> None:
    """The cell holds the data block, byte for byte; what the engine made of it would be another thing."""
    chip = chip_with(wat(EMPTY))
    chip.ask("00100000")
    stored = [content for name, content in chip.cells.items() if name.endswith(CODE_CELL)]
    assert stored == [DataBlock(1, (Module(APP, "Test", INTERFACE_VERSION, wat(EMPTY)),)).encode()]


def test_a_chip_without_the_engine_runs_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = chip_with(wat(EMPTY)).cells
    monkeypatch.setattr(loader_module, "find_spec", lambda _name: None)
    card = Card(MemoryStore(cells), catalogue.rom(), Ports(randomness(1), strict=True))
    card.power_on()

    def ask(command: str) -> ResponseAPDU:
        return ResponseAPDU.parse(card.transmit(bytes.fromhex(command)))

    assert ask("00A4040000").sw == 0x9000
    assert b"Test" in ask("00B09E0000").data  # EF.DIR names it
    assert ResponseAPDU.parse(card.transmit(CommandAPDU(0, 0xA4, 4, 0, bytes(APP), 256).encode())).sw == 0x9000
    assert ask("00100000").sw == 0x6A81
    assert ask("0084000008").sw == 0x9000
    with pytest.raises(CardError) as caught:
        WasmLoader().modules(block(wat(EMPTY)), PAGE)
    assert caught.value.sw == 0x6A81


def test_the_engine_is_not_imported_before_code_is_loaded() -> None:
    code = "import sys; from jukicard.applets.catalogue import rom; rom(); print('wasmtime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
