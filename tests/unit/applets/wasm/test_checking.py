"""What WebAssembly a card takes: what is not listed is refused, and nothing that is malformed gets any further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

from jukicard.applets.wasm.checking import CheckedModule, check
from jukicard.applets.wasm.engine import CompiledModule
from jukicard.applets.wasm.errors import CodeError
from jukicard.applets.wasm.instructions import MAX_DEPTH, MAX_LOCALS, MAX_TARGETS
from jukicard.applets.wasm.layout import FUNCTIONS, MAX_CODE, MAX_PAGES, PAGE
from jukicard.sdk.building import without_custom_sections
from tests.support.wasm import EMPTY, imported, probe, process, wat

HEAD = b"\0asm\x01\0\0\0"
TYPE = b"\x01\x05\x01\x60\x00\x01\x7f"
FUNCTION = b"\x03\x02\x01\x00"
MEMORY = b"\x05\x04\x01\x01\x01\x01"
EXPORT = b"\x07\x14\x02\x06memory\x02\x00\x07process\x00\x00"
CODE = b"\x0a\x08\x01\x06\x00\x41\x80\xa0\x02\x0b"
SMALLEST = HEAD + TYPE + FUNCTION + MEMORY + EXPORT + CODE


def returning(instructions: bytes, locals_: bytes = b"\0") -> bytes:
    """The smallest module, with these instructions before its own."""
    body = locals_ + instructions + b"\x41\x80\xa0\x02\x0b"
    inner = b"\x01" + leb(len(body)) + body
    return HEAD + TYPE + FUNCTION + MEMORY + EXPORT + b"\x0a" + leb(len(inner)) + inner


def leb(value: int) -> bytes:
    encoded = b""
    while value >= 0x80:
        encoded, value = encoded + bytes((value & 0x7F | 0x80,)), value >> 7
    return encoded + bytes((value,))


def refused(code: bytes, match: str | None = None) -> None:
    with pytest.raises(CodeError, match=match):
        check(code)


def test_the_smallest_module() -> None:
    assert check(SMALLEST) == CheckedModule(SMALLEST, (), PAGE, False)
    assert check(SMALLEST) == check(wat(EMPTY))


def test_every_function_of_the_interface_may_be_imported() -> None:
    checked = check(probe())
    assert checked.imports == tuple(FUNCTIONS)
    assert checked.installs
    assert checked.memory == 2 * PAGE


FLOATS = [
    "(func (param f32))",
    "(func (result f64) unreachable)",
    "(func (local f32))",
    "(func (local f64))",
    "(global f32 (f32.const 1))",
    "(global f64 (f64.const 1))",
    "(func (drop (f32.const 1)))",
    "(func (drop (f64.const 1)))",
    "(func (drop (f32.load (i32.const 0))))",
    "(func (drop (f64.load (i32.const 0))))",
    "(func (block (result f32) unreachable) drop)",
    "(func (drop (i32.trunc_f32_s (f32.const 1))))",
    "(func (drop (i32.trunc_sat_f32_s (f32.const 1))))",
    "(func (drop (i32.reinterpret_f32 (f32.const 1))))",
    "(func (drop (f64.convert_i32_s (i32.const 1))))",
]
OTHER_PROPOSALS = [
    "(func (drop (v128.const i32x4 0 0 0 0)))",
    "(func (param v128))",
    "(func (drop (ref.null func)))",
    "(func (param externref))",
    "(table 1 1 externref)",
    "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))",
    "(func (memory.copy (i32.const 0) (i32.const 0) (i32.const 1)))",
    '(data "passive")',
    "(func (result i32 i32) unreachable)",
    "(func (block (result i32 i32) unreachable) drop drop)",
    "(func $f (return_call $f))",
    "(func (drop (i32.atomic.load (i32.const 0))))",
    "(func (atomic.fence))",
    "(tag)",
    "(type (struct))",
    "(table 1 1 funcref) (func (drop (table.size 0)))",
    "(table 1 1 funcref) (table 1 1 funcref)",
    "(func (drop (select (result i32) (i32.const 1) (i32.const 1) (i32.const 1))))",
    "(table 1 1 funcref) (elem declare func 0)",
]


@pytest.mark.parametrize("part", [*FLOATS, *OTHER_PROPOSALS])
def test_what_no_loaded_code_may_have(part: str) -> None:
    refused(wat(EMPTY, part))


PLAIN = {0x00, 0x01, 0x0F, 0x1A, 0x1B, *range(0x45, 0x5B), *range(0x67, 0x8B), 0xA7, 0xAC, 0xAD, *range(0xC0, 0xC5)}
CONTROL = {0x02, 0x03, 0x04, 0x0B, 0x0C, 0x0D, 0x0E, 0x10, *range(0x20, 0x23), 0x3F, 0x40, 0x41, 0x42}
LOADS_AND_STORES = {0x28, 0x29, *range(0x2C, 0x38), *range(0x3A, 0x3F)}


@pytest.mark.parametrize("opcode", sorted(PLAIN))
def test_integer_instructions_are_let_through(opcode: int) -> None:
    check(returning(bytes((opcode,))))


@pytest.mark.parametrize("opcode", sorted(set(range(0x100)) - PLAIN - CONTROL - LOADS_AND_STORES))
def test_every_other_instruction_is_refused(opcode: int) -> None:
    """Floats (2A, 2B, 38, 39, 43, 44, 5B-66, 8B-A6, A8-AB, AE-BF), references (D0-), bulk memory and vectors (FC-)."""
    refused(returning(bytes((opcode,))), None)
    refused(returning(bytes((opcode, 0, 0, 0, 0))), None)


@pytest.mark.parametrize(
    "part",
    [
        '(import "env" "command" (func (param i32 i32) (result i32)))',
        '(import "juki1" "commands" (func (param i32 i32) (result i32)))',
        '(import "juki2" "command" (func (param i32 i32) (result i32)))',
        '(import "juki1" "command" (func (param i32) (result i32)))',
        '(import "juki1" "command" (func (param i32 i32)))',
        '(import "juki1" "command" (func (param i32 i64) (result i32)))',
        '(import "juki1" "counter_get" (func (param i32) (result i32)))',
        '(import "juki1" "command" (global i32))',
        '(import "juki1" "command" (memory 1 1))',
        '(import "juki1" "command" (table 1 1 funcref))',
        '(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))',
    ],
)
def test_nothing_else_can_be_imported(part: str) -> None:
    refused(wat(part, EMPTY))


def test_no_function_is_imported_twice() -> None:
    again = imported("command").replace("$command", "$again")
    refused(wat(imported("command"), again, EMPTY), "twice")


@pytest.mark.parametrize(
    "memory",
    [
        "",
        "(memory 1 1)",
        '(memory (export "memory") 1)',
        f'(memory (export "memory") 1 {MAX_PAGES + 1})',
        '(memory (export "memory") 0 0)',
        '(memory (export "memory") 1 1) (memory 1 1)',
        '(memory (export "memory") 1 1 shared)',
        '(memory (export "memory") i64 1 1)',
        '(global (export "memory") i32 (i32.const 0))',
    ],
)
def test_one_exported_memory_with_a_maximum(memory: str) -> None:
    refused(wat(EMPTY, memory=memory))


def test_the_largest_memory() -> None:
    largest = check(wat(EMPTY, memory=f'(memory (export "memory") 0 {MAX_PAGES})'))
    assert largest.memory == MAX_PAGES * PAGE


@pytest.mark.parametrize(
    "parts",
    [
        ("(func)",),
        ('(func (export "process"))',),
        ('(func (export "process") (result i64) unreachable)',),
        ('(func (export "process") (param i32) (result i32) unreachable)',),
        (EMPTY, '(func (export "install"))'),
        (EMPTY, '(func (export "another"))'),
        (EMPTY, '(global (export "install") i32 (i32.const 0))'),
        ('(global (export "process") i32 (i32.const 0))',),
        ('(memory (export "process") 1 1)',),
        (EMPTY, "(func $start) (start $start)"),
    ],
)
def test_exports_are_the_memory_and_the_two_functions(parts: tuple[str, ...]) -> None:
    refused(wat(*parts))


@pytest.mark.parametrize(
    "part",
    [
        '(data (i32.const 65535) "ab")',
        '(data (i32.const -1) "a")',
        "(table 2 2 funcref) (func $f) (elem (i32.const 1) $f $f)",
        "(table 2 2 funcref) (func $f) (elem (i32.const -1) $f)",
        "(table 1 funcref)",
        "(table 1 5000 funcref)",
        "(global $g i32 (i32.const 0)) (global i32 (global.get $g))",
        "(global i32 (i32.add (i32.const 0) (i32.const 0)))",
    ],
)
def test_segments_lie_inside_and_initial_values_are_constants(part: str) -> None:
    refused(wat(EMPTY, part))


def test_data_up_to_the_last_byte_and_functions_up_to_the_last_element() -> None:
    parts = ('(data (i32.const 65534) "ab")', "(table 2 2 funcref) (func $f) (elem (i32.const 0) $f $f)")
    CompiledModule(check(wat(EMPTY, *parts)))


def test_custom_sections_are_refused_and_can_be_taken_away() -> None:
    custom = b"\x00\x05\x04name"
    refused(SMALLEST + custom, "section 0")
    refused(HEAD + custom + SMALLEST[8:], "section 0")
    assert without_custom_sections(SMALLEST + custom) == SMALLEST


@pytest.mark.parametrize(
    "code",
    [
        b"",
        HEAD[:7],
        HEAD,
        b"\0asm\x0d\0\1\0" + SMALLEST[8:],  # a component
        HEAD + FUNCTION + TYPE + MEMORY + EXPORT + CODE,
        HEAD + TYPE + TYPE + FUNCTION + MEMORY + EXPORT + CODE,
        SMALLEST + CODE,
        SMALLEST + b"\x0c\x01\x00",
        SMALLEST + b"\x0d\x01\x00",
        HEAD + TYPE + FUNCTION + MEMORY + EXPORT,
        HEAD + TYPE + MEMORY + EXPORT + CODE,
        HEAD + TYPE + FUNCTION + MEMORY + CODE,
        HEAD + b"\x01\x06\x01\x60\x00\x01\x7f\x00" + FUNCTION + MEMORY + EXPORT + CODE,  # a byte too many in a section
        HEAD + TYPE + FUNCTION + MEMORY + EXPORT + b"\x0a\x09\x01\x07\x00\x41\x80\xa0\x02\x0b\x0b",  # and in a body
        HEAD + TYPE + FUNCTION + MEMORY + EXPORT.replace(b"process\x00\x00", b"process\x00\x01") + CODE,
        HEAD + TYPE + FUNCTION.replace(b"\x01\x00", b"\x01\x01") + MEMORY + EXPORT + CODE,
        returning(b"\x05"),  # an else without its if
        returning(b"\x04\x40\x05\x05\x0b"),  # a second else
        returning(b"\x0c\x01"),  # a branch out of the function
        returning(b"\x10\x01"),  # a function that is not there
        returning(b"\x20\x00"),  # a local variable that is not there
        returning(b"\x23\x00"),  # a global variable that is not there
        returning(b"\x11\x00\x00"),  # no table
        returning(b"\x28\x03\x00"),  # an alignment of 8 for 4 bytes
        returning(b"\x3f\x01"),  # another memory
        returning(b"\x41\xff\xff\xff\xff\xff\x01"),  # a constant that is too long
        returning(b"\x41\xff\xff\xff\xff\x1f"),  # a constant above 32 bits
        returning(b"\x41\x80\x80\x80\x80\x80\x00"),
        returning(b"\x20\x80\x80\x80\x80\x80\x00"),
        returning(b"\x20\x80\x80\x80\x80\x10"),
    ],
)
def test_malformed_code_is_refused(code: bytes) -> None:
    refused(code)


def test_bounds_of_what_could_be_made_hard_to_compile() -> None:
    check(returning(b"", b"\x01" + leb(MAX_LOCALS) + b"\x7f"))
    refused(returning(b"", b"\x01" + leb(MAX_LOCALS + 1) + b"\x7f"))
    refused(returning(b"", b"\x02" + leb(MAX_LOCALS) + b"\x7f" + b"\x01\x7e"))
    refused(returning(b"", b"\x01\xff\xff\xff\xff\x0f\x7f"))
    blocks = MAX_DEPTH - 1
    check(returning(b"\x02\x40" * blocks + b"\x0b" * blocks))
    refused(returning(b"\x02\x40" * (blocks + 1) + b"\x0b" * (blocks + 1)))
    targets = b"\x0e" + leb(MAX_TARGETS) + b"\0" * (MAX_TARGETS + 1)
    check(returning(b"\x02\x40\x41\x00" + targets + b"\x0b"))
    refused(returning(b"\x02\x40\x41\x00\x0e" + leb(MAX_TARGETS + 1) + b"\0" * (MAX_TARGETS + 2) + b"\x0b"))
    refused(SMALLEST + bytes(MAX_CODE))


@given(st.data())
def test_changed_bytes_never_raise_anything_but_the_one_error(data: st.DataObject) -> None:
    code = bytearray(data.draw(st.sampled_from([SMALLEST, probe(), wat(EMPTY, '(data (i32.const 0) "ab")')])))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(code) - 1))
        change = data.draw(st.sampled_from(["replace", "insert", "delete", "cut"]))
        byte = data.draw(st.integers(0, 255))
        if change == "replace":
            code[place] = byte
        elif change == "insert":
            code.insert(place, byte)
        elif change == "delete" and len(code) > 1:
            del code[place]
        elif change == "cut":
            del code[place + 1 :]
    try:
        checked = check(bytes(code))
    except CodeError:
        return
    try:
        CompiledModule(checked)
    except CodeError:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(code: bytes) -> None:
    for candidate in (code, HEAD + code, HEAD + TYPE + FUNCTION + MEMORY + EXPORT + code):
        try:
            check(candidate)
        except CodeError:
            continue


def test_what_does_not_type_check_is_refused_by_the_engine() -> None:
    for instructions in (b"\x42\x00\x1a\x1a", b"\x41\x00\x42\x00\x6a\x1a", b"\x0f"):
        checked = check(returning(instructions))
        with pytest.raises(CodeError, match="not valid"):
            CompiledModule(checked)


def test_code_of_wat_is_what_the_tests_take_it_for() -> None:
    """Floats, for one, are there before `check` refuses them."""
    code = without_custom_sections(
        bytes(wat2wasm(f"(module (func (local f32)) (memory 1 1) {process('(i32.const 1)')})"))
    )
    assert b"\x7d" in code
