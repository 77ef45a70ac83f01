"""Makes applets of the modules in load files (`jukicard.card.code.Loader`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING

from jukicard.applets.gp.loadfile import DataBlock, LoadFileError, Module
from jukicard.applets.wasm.checking import check
from jukicard.applets.wasm.errors import CodeError
from jukicard.applets.wasm.layout import INTERFACE_VERSION
from jukicard.card.errors import CardError
from jukicard.card.registry import LoadFile
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord

if TYPE_CHECKING:
    from jukicard.applets.wasm.engine import CompiledModule
    from jukicard.card.applet import Applet

CACHED = 64
"""How many modules are kept in a process."""


def is_available() -> bool:
    """Return whether the engine is installed (the extra `wasm`)."""
    return find_spec("wasmtime") is not None


class LoadedCode:
    """A module in a load file: its label, and its code, which is checked and compiled when it is first needed."""

    __slots__ = ("_compiled", "_module", "label")

    def __init__(self, module: Module) -> None:
        self.label = module.label
        self._module = module
        self._compiled: CompiledModule | None = None

    def compiled(self) -> CompiledModule:
        """Return the compiled code; CodeError for what is not sound, CardError (6A81) without the engine."""
        if self._compiled is None:
            if not is_available():
                raise CardError(
                    StatusWord.FUNCTION_NOT_SUPPORTED, "this chip runs no loaded code: the engine is missing"
                )
            from jukicard.applets.wasm.engine import CompiledModule

            interface = self._module.interface
            if interface != INTERFACE_VERSION:
                raise CodeError(f"made for version {interface} of the host interface; here is {INTERFACE_VERSION}")
            self._compiled = CompiledModule(check(self._module.code))
        return self._compiled


class WasmLoader:
    """Verifies load files and makes applets of them.  What was read is kept by the digest of its load file and the
    module's AID, with the compiled code.

    The engine is imported when the first module is needed: a chip without loaded applications does not pay for it.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, AID], LoadedCode] = OrderedDict()

    def modules(self, data_block: bytes, memory: int) -> tuple[AID, ...]:
        """Verify every module in a load file data block, and return their AIDs; 6A80 for what is not sound code, 6A81
        without the engine, 6A84 where one needs more than so many bytes of memory.
        """
        try:
            codes = {module.aid: LoadedCode(module) for module in DataBlock.parse(data_block).modules}
            needed = max(code.compiled().checked.memory for code in codes.values())
        except (LoadFileError, CodeError) as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        if needed > memory:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "a module needs more volatile memory than was approved")
        digest = sha256(data_block).digest()
        for aid, code in codes.items():
            self._keep((digest, aid), code)
        return tuple(codes)

    def applet(self, file: LoadFile, module: AID, read: Callable[[], bytes]) -> Applet:
        """Return the applet of a module; 6581 where the stored code is not the one that was loaded."""
        from jukicard.applets.wasm.applet import LoadedApplet

        key = (file.digest, module)
        code = self._kept.get(key)
        if code is None:
            code = _stored(key, read())
        self._keep(key, code)
        return LoadedApplet(file.aid, module, code)

    def _keep(self, key: tuple[bytes, AID], code: LoadedCode) -> None:
        self._kept[key] = code
        self._kept.move_to_end(key)
        while len(self._kept) > CACHED:
            self._kept.popitem(last=False)


def _stored(key: tuple[bytes, AID], data_block: bytes) -> LoadedCode:
    digest, name = key
    if sha256(data_block).digest() == digest:
        for module in DataBlock.parse(data_block).modules:
            if module.aid == name:
                return LoadedCode(module)
    raise CardError(StatusWord.MEMORY_FAILURE, "the stored code is not what was loaded")
