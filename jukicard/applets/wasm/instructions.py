"""The instructions that loaded code may have (WebAssembly 1.0, 5.4, and sign extension): integers, no floating point.

Each opcode is allowed with the immediate operands that stand here; what is not listed is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.applets.wasm.errors import CodeError
from jukicard.applets.wasm.reading import Reader

_BLOCK_TYPES = (0x40, 0x7F, 0x7E)
_VALUE_TYPES = (0x7F, 0x7E)
_BLOCK, _LOOP, _IF, _ELSE, _END = 0x02, 0x03, 0x04, 0x05, 0x0B
_BR, _BR_IF, _BR_TABLE, _CALL, _CALL_INDIRECT = 0x0C, 0x0D, 0x0E, 0x10, 0x11
_LOCAL = range(0x20, 0x23)
_GLOBAL = range(0x23, 0x25)
_MEMORY_SIZE = range(0x3F, 0x41)
_I32_CONST, _I64_CONST = 0x41, 0x42
_PLAIN = frozenset(
    (
        0x00,  # unreachable
        0x01,  # nop
        0x0F,  # return
        0x1A,  # drop
        0x1B,  # select
        *range(0x45, 0x5B),  # comparisons
        *range(0x67, 0x8B),  # arithmetic
        0xA7,  # i32.wrap_i64
        0xAC,  # i64.extend_i32_s
        0xAD,  # i64.extend_i32_u
        *range(0xC0, 0xC5),  # sign extension
    )
)
_ALIGNMENT = {
    0x28: 2, 0x29: 3, 0x2C: 0, 0x2D: 0, 0x2E: 1, 0x2F: 1, 0x30: 0, 0x31: 0, 0x32: 1, 0x33: 1, 0x34: 2, 0x35: 2,
    0x36: 2, 0x37: 3, 0x3A: 0, 0x3B: 1, 0x3C: 0, 0x3D: 1, 0x3E: 2,
}  # fmt: skip
"""Loads and stores of integers, with the largest alignment (a power of two) that each may name."""
MAX_LOCALS = 1024
MAX_DEPTH = 256
MAX_TARGETS = 1024


@dataclass(slots=True)
class _Body:
    """What the instructions of one function may refer to, and the blocks that are open: whether each is an if's."""

    locals: int
    functions: int
    types: int
    variables: int
    table: bool
    memory: bool
    blocks: list[bool]


def constant(reader: Reader, kind: str) -> int:
    """Read a constant expression of that value type (i or I) and return it, an i32 as unsigned."""
    opcode, bits = (_I32_CONST, 32) if kind == "i" else (_I64_CONST, 64)
    if reader.byte() != opcode:
        raise CodeError("an initial value that is no constant of its type")
    value = reader.signed(bits)
    if reader.byte() != _END:
        raise CodeError("an initial value that is more than a constant")
    return value % (1 << bits)


def check_body(
    reader: Reader, parameters: int, *, functions: int, types: int, variables: int, table: bool, memory: bool
) -> None:
    """Read one function body: its locals, and its instructions up to its end."""
    names = parameters
    for _ in range(reader.count(MAX_LOCALS)):
        names += reader.count(MAX_LOCALS)
        if names > MAX_LOCALS or reader.byte() not in _VALUE_TYPES:
            raise CodeError(f"more than {MAX_LOCALS} local variables, or one that is not i32 or i64")
    body = _Body(names, functions, types, variables, table, memory, [False])
    while body.blocks:
        opcode = reader.byte()
        if opcode not in _PLAIN:
            _with_operands(opcode, reader, body)


def _with_operands(opcode: int, reader: Reader, body: _Body) -> None:
    if opcode in _ALIGNMENT:
        _need(body.memory)
        if reader.unsigned() > _ALIGNMENT[opcode]:
            raise CodeError("an alignment larger than natural")
        reader.unsigned()
    elif opcode in _LOCAL:
        reader.below(body.locals, "local variable")
    elif opcode in _GLOBAL:
        reader.below(body.variables, "global variable")
    elif opcode == _I32_CONST:
        reader.signed(32)
    elif opcode == _I64_CONST:
        reader.signed(64)
    elif opcode == _CALL:
        reader.below(body.functions, "function")
    elif opcode == _CALL_INDIRECT:
        _need(body.table)
        reader.below(body.types, "type")
        reader.below(1, "table")
    elif opcode in _MEMORY_SIZE:
        _need(body.memory)
        reader.below(1, "memory")
    else:
        _control(opcode, reader, body)


def _control(opcode: int, reader: Reader, body: _Body) -> None:
    blocks = body.blocks
    if opcode in (_BLOCK, _LOOP, _IF):
        if reader.byte() not in _BLOCK_TYPES or len(blocks) >= MAX_DEPTH:
            raise CodeError("a block with a result that is not i32 or i64, or too many blocks inside one another")
        blocks.append(opcode == _IF)
    elif opcode == _END:
        blocks.pop()
    elif opcode == _ELSE:
        if not blocks[-1]:
            raise CodeError("an else without its if")
        blocks[-1] = False
    elif opcode in (_BR, _BR_IF):
        reader.below(len(blocks), "block")
    elif opcode == _BR_TABLE:
        for _ in range(reader.count(MAX_TARGETS) + 1):
            reader.below(len(blocks), "block")
    else:
        raise CodeError(f"an instruction {opcode:02X} that is not allowed")


def _need(there: bool) -> None:
    if not there:
        raise CodeError("an instruction on a memory or table that is not there")
