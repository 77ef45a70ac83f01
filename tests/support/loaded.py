"""Load files for tests whose code is a name: a loader that knows the applet of each, in Python.

What loaded code may do is WebAssembly's business; here it is how it comes, what it is allowed, and how it goes.  Real
code goes to the real loader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from jukicard.applets.gp.loadfile import DataBlock, LoadFileError, Module
from jukicard.applets.wasm.loader import WasmLoader
from jukicard.card.applet import Applet
from jukicard.card.code import LoadFile
from jukicard.card.commands import FREE, INTERINDUSTRY, NO_DATA, command, data
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.limits import ApplicationRight
from jukicard.iso7816.status import StatusWord

FILE = AID(b"\xf0loaded")
MODULE = AID(b"\xf0loaded\1")
SECOND_MODULE = AID(b"\xf0loaded\2")


class Counter(Applet):
    """Counts its commands (00 10), keeps what it is given (00 12)."""

    load_file: ClassVar[AID] = FILE
    module: ClassVar[AID] = MODULE
    label: ClassVar[str] = "counter"

    @command(INTERINDUSTRY, ins=0x10, length=NO_DATA, access=FREE, writes=True, spec="-")
    def count(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        ctx.require(ApplicationRight.COUNTERS)
        count = int.from_bytes(ctx.area.read("n") or b"") + 1
        ctx.area.write("n", count.to_bytes(2))
        return ResponseAPDU(count.to_bytes(2))

    @command(INTERINDUSTRY, ins=0x12, length=data(1), access=FREE, writes=True, spec="-")
    def keep(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        ctx.require(ApplicationRight.FILES)
        ctx.area.write("kept", cmd.data)
        return ResponseAPDU()


CODE: dict[bytes, Applet] = {b"counter": Counter()}
_WASM, _MAGIC = WasmLoader(), b"\0asm"


class PythonLoader:
    """Finds the applet by the code's first line; WebAssembly is run."""

    def modules(self, data_block: bytes, memory: int) -> tuple[AID, ...]:
        try:
            block = DataBlock.parse(data_block)
        except LoadFileError as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        if _is_wasm(block):
            return _WASM.modules(data_block, memory)
        if any(_name(module) not in CODE for module in block.modules):
            raise CardError(StatusWord.INCORRECT_DATA, "not sound code")
        return tuple(module.aid for module in block.modules)

    def applet(self, file: LoadFile, module: AID, read: Callable[[], bytes]) -> Applet:
        block = DataBlock.parse(read())
        if _is_wasm(block):
            return _WASM.applet(file, module, read)
        return next(CODE[_name(one)] for one in block.modules if one.aid == module)


def _is_wasm(block: DataBlock) -> bool:
    return any(module.code.startswith(_MAGIC) for module in block.modules)


def _name(module: Module) -> bytes:
    return module.code.split(b"\n")[0]


def block(version: int = 1, size: int = 0, *modules: AID, code: bytes = b"counter") -> DataBlock:
    """A data block with that much more code in its first module."""
    names = modules or (MODULE,)
    more = b"\n" + bytes(number % 251 for number in range(size))
    return DataBlock(
        version, tuple(Module(name, "counter", 1, code + (more if name == names[0] else b"")) for name in names)
    )
