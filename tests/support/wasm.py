"""Loaded applications for tests: modules from text, a module that does whatever it is told, chips that have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from wasmtime import wat2wasm

from jukicard.applets import catalogue
from jukicard.applets.gp.loadfile import DataBlock, Module
from jukicard.applets.wasm.layout import FUNCTIONS, INTERFACE_VERSION, PAGE
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.limits import ALL_RIGHTS, ApplicationRight, Limits
from jukicard.sdk.building import without_custom_sections
from jukicard.testing.apps import LoadedApplication
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import CITY_DOMAIN

LOAD_FILE, APP = AID(b"\xf0wasm file"), AID(b"\xf0wasm app")
MEMORY = '(memory (export "memory") 1 1)'
ROOMY = Limits(0x10000, 0x20000)
TYPES = {"i": "i32", "I": "i64"}
RECORD = 33
COMMAND, DUMP = 0x1000, 0x8000
"""Where the probe puts the command, and what part of its memory it shows."""
FINISH, TRAP, LOOP, ANSWER, RECURSE, GROW = 0x10, 0x12, 0x14, 0x16, 0x18, 0x1A
"""What the probe does in the end: succeed, trap, never end, return a status word, run out of stack, take memory."""


def wat(*parts: str, memory: str = MEMORY) -> bytes:
    """A module of these parts, and a memory."""
    imports, rest = parts_in_order(parts)
    return without_custom_sections(bytes(wat2wasm(f"(module {imports} {memory} {rest})")))


def parts_in_order(parts: Iterable[str]) -> tuple[str, str]:
    """Imports come first."""
    imports = [part for part in parts if part.startswith("(import")]
    return " ".join(imports), " ".join(part for part in parts if part not in imports)


def imported(name: str) -> str:
    """The import of a host function, under its own name."""
    function = FUNCTIONS[name]
    parameters = " ".join(TYPES[kind] for kind in function.parameters)
    return f'(import "juki1" "{name}" (func ${name} (param {parameters}) (result {TYPES[function.result]})))'


def process(body: str, name: str = "process") -> str:
    """An exported function."""
    return f'(func (export "{name}") (result i32) {body})'


EMPTY = process("(i32.const 0x9000)")


def _calls() -> str:
    """Call the function with the number in $number; arguments at $at + 1, eight bytes each; its result in $result."""
    text = "(block $unknown " + "".join(f"(block $f{n} " for n in reversed(range(len(FUNCTIONS))))
    targets = " ".join(f"$f{n}" for n in range(len(FUNCTIONS)))
    text += f"(br_table {targets} $unknown (i32.load8_u (local.get $at))))"
    for name, function in FUNCTIONS.items():
        arguments = ""
        for place, kind in enumerate(function.parameters):
            load = f"(i64.load offset={1 + 8 * place} align=1 (local.get $at))"
            arguments += load if kind == "I" else f"(i32.wrap_i64 {load})"
        call = f"(call ${name} {arguments})"
        text += f"(local.set $result {call if function.result == 'I' else f'(i64.extend_i32_s {call})'})(br $unknown))"
    return text


@lru_cache(maxsize=1)
def probe() -> bytes:
    """A module that makes the calls that a command holds (P1: how many), answers with their results, and ends as INS
    says.  Its installation makes a file 1 of 16 bytes, with the parameters in it.
    """
    body = f"""(local $at i32) (local $left i32) (local $result i64)
        (drop (call $command (i32.const {COMMAND}) (i32.const 0x6000)))
        (local.set $at (i32.const {COMMAND + 4}))
        (local.set $left (i32.load8_u (i32.const {COMMAND + 2})))
        (block $done (loop $next
            (br_if $done (i32.eqz (local.get $left)))
            {_calls()}
            (i64.store (i32.const 0) (local.get $result))
            (drop (call $answer (i32.const 0) (i32.const 8)))
            (local.set $at (i32.add (local.get $at) (i32.const {RECORD})))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $next)))
        (drop (call $answer (i32.const {DUMP}) (i32.load8_u (i32.const {COMMAND + 3}))))
        (local.set $left (i32.load8_u (i32.const {COMMAND + 1})))
        (if (i32.eq (local.get $left) (i32.const {TRAP})) (then unreachable))
        (if (i32.eq (local.get $left) (i32.const {LOOP})) (then (loop (br 0))))
        (if (i32.eq (local.get $left) (i32.const {RECURSE})) (then (call $deeper)))
        (if (i32.eq (local.get $left) (i32.const {GROW})) (then
            (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))
        (if (i32.eq (local.get $left) (i32.const {ANSWER})) (then (return (i32.load align=1 (local.get $at)))))
        (i32.const 0x9000)"""
    install = """(drop (call $file_create (i32.const 1) (i32.const 16)))
        (drop (call $command (i32.const 0) (i32.const 16)))
        (drop (call $file_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))) (i32.const 0x9000)"""
    deeper = "(func $deeper (call $deeper) (drop (i32.load (i32.const 0))))"
    parts = (*map(imported, FUNCTIONS), process(body), process(install, "install"), deeper)
    return wat(*parts, memory='(memory (export "memory") 1 2)')


class Chip(chips.Chip):
    """A chip that runs loaded code."""

    def __init__(self, cells: Mapping[str, bytes], seed: object = 0) -> None:
        super().__init__(cells, seed)
        self.card = Card(self.store, catalogue.rom(), Ports(randomness(("card", seed)), strict=True))
        self.atr = self.card.power_on()


def application(
    code: bytes, limits: Limits | None = ROOMY, parameters: bytes = b"", aid: AID = APP, load_file: AID = LOAD_FILE
) -> LoadedApplication:
    """A load file with one module, and an application of it."""
    block = DataBlock(1, (Module(aid, "Test", INTERFACE_VERSION, code),))
    return LoadedApplication(block, load_file, aid, limits, parameters)


def chip_with(
    code: bytes, limits: Limits | None = ROOMY, parameters: bytes = b"", domain: AID = CITY_DOMAIN, seed: object = 1
) -> Chip:
    """A delivered card with a module in a domain, selected."""
    chip = Chip(application(code, limits, parameters).on(chips.delivered().cells, domain), seed)
    assert chip.select(APP).sw == 0x9000
    return chip


def limits(*rights: ApplicationRight, storage: int = ROOMY.storage, memory: int = ROOMY.memory) -> Limits:
    """Limits with these rights, and both interfaces."""
    both = ApplicationRight.CONTACT | ApplicationRight.CONTACTLESS
    return Limits(storage, memory, sum(rights, both))


def without(*rights: ApplicationRight) -> Limits:
    """Limits with all other rights."""
    return Limits(ROOMY.storage, ROOMY.memory, ALL_RIGHTS & ~sum(rights))


@dataclass(frozen=True)
class Call:
    """One call of a host function by the probe; integers of any size are cut to 64 bits."""

    name: str
    arguments: tuple[int, ...]

    def encode(self) -> bytes:
        number = list(FUNCTIONS).index(self.name)
        values = (*self.arguments, 0, 0, 0, 0)[:4]
        return bytes((number,)) + b"".join((value % (1 << 64)).to_bytes(8, "little") for value in values)


def call(name: str, *arguments: int) -> Call:
    return Call(name, arguments)


def payload_at(calls: int) -> int:
    """Where the bytes lie that follow the calls of a command."""
    return COMMAND + 4 + RECORD * calls


def tell(
    connection: CardConnection,
    *calls: Call,
    end: int = FINISH,
    payload: bytes = b"",
    show: int = 0,
    cla: int = 0,
) -> ResponseAPDU:
    """Let the probe make calls; `payload` lies at `payload_at(len(calls))`."""
    data = b"".join(one.encode() for one in calls) + payload
    return send(connection, CommandAPDU(cla, end, len(calls), show, data, 65536, True))


def results(answer: ResponseAPDU) -> list[int]:
    """The results of the calls in an answer that shows nothing else."""
    assert answer.sw == 0x9000, f"{answer.sw:04X}"
    data = answer.data
    return [int.from_bytes(data[n : n + 8], "little", signed=True) for n in range(0, len(data), 8)]


def one(connection: CardConnection, name: str, *arguments: int, payload: bytes = b"") -> int:
    """Let the probe make one call; its result."""
    (result,) = results(tell(connection, call(name, *arguments), payload=payload))
    return result


TOP = 2 * PAGE
"""Where the probe's memory could end; it begins with one page."""
