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
"""How many compiled modules are kept in a process."""


def is_available() -> bool:
    """Return whether the engine is installed (the extra `wasm`)."""
    return find_spec("wasmtime") is not None


class WasmLoader:
    """Checks and compiles.  What was compiled is kept by the digest of its load file and the module's AID.

    The engine is imported when the first module comes: a chip without loaded applications does not pay for it.
    """

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[bytes, AID], tuple[str, CompiledModule]] = OrderedDict()

    def modules(self, data_block: bytes) -> tuple[AID, ...]:
        """Verify every module in a load file data block, and return their AIDs; 6A80 for what is not sound code."""
        try:
            block = DataBlock.parse(data_block)
            digest = sha256(data_block).digest()
            for module in block.modules:
                self._keep((digest, module.aid), module)
        except (LoadFileError, CodeError) as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        return tuple(module.aid for module in block.modules)

    def applet(self, file: LoadFile, module: AID, read: Callable[[], bytes]) -> Applet:
        """Return the applet of a module; 6581 where the stored code is not the one that was loaded."""
        from jukicard.applets.wasm.applet import LoadedApplet

        key = (file.digest, module)
        kept = self._compiled.get(key)
        if kept is None:
            kept = self._from_store(key, read())
        else:
            self._compiled.move_to_end(key)
        return LoadedApplet(file.aid, module, *kept)

    def _from_store(self, key: tuple[bytes, AID], data_block: bytes) -> tuple[str, CompiledModule]:
        digest, name = key
        try:
            found = next(module for module in DataBlock.parse(data_block).modules if module.aid == name)
            if sha256(data_block).digest() == digest:
                return self._keep(key, found)
        except (LoadFileError, CodeError, StopIteration):
            pass
        raise CardError(StatusWord.MEMORY_FAILURE, "the stored code is not what was loaded")

    def _keep(self, key: tuple[bytes, AID], module: Module) -> tuple[str, CompiledModule]:
        from jukicard.applets.wasm.engine import CompiledModule

        if module.interface != INTERFACE_VERSION:
            raise CodeError(f"made for version {module.interface} of the host interface; here is {INTERFACE_VERSION}")
        kept = self._compiled[key] = module.label, CompiledModule(check(module.code))
        while len(self._compiled) > CACHED:
            self._compiled.popitem(last=False)
        return kept
