"""Where the code of an application is found: in the chip's ROM, or in a load file that was loaded later.

Code that was loaded is run by a `Loader`, a port like the others: a chip without one takes no load files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from jukicard.card.errors import CardError
from jukicard.card.registry import CELL, Contents, Entry, LoadFile
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord

if TYPE_CHECKING:
    from jukicard.card.applet import Applet
    from jukicard.card.store import Store

CODE_CELL = "code"
"""The cell, in a load file's area, that holds its data block."""


class Loader(Protocol):
    """Makes applets of what is in load files.  It keeps nothing but compiled code, which it finds again by digest."""

    def modules(self, data_block: bytes, memory: int) -> tuple[AID, ...]:
        """Verify a load file data block, and return the modules in it; CardError for what is not sound code (6A80), and
        for a module that needs more than so many bytes of volatile memory (6A84).
        """

    def applet(self, file: LoadFile, module: AID, read: Callable[[], bytes]) -> Applet:
        """Return the applet of one module; `read` gives the data block, where it is not at hand."""


class Rom:
    """The code that a chip was made with: applet classes by module AID.  The first is the security domain's.

    `loader` runs what is loaded later; without one nothing is.
    """

    def __init__(self, applets: Iterable[type[Applet]], loader: Loader | None = None) -> None:
        self.loader = loader
        self._applets: dict[bytes, Applet] = {}
        for applet in applets:
            if applet.module.value in self._applets:
                raise ValueError(f"two applets with the module AID {applet.module}")
            self._applets[applet.module.value] = applet()

    def __iter__(self) -> Iterator[Applet]:
        return iter(self._applets.values())

    def find(self, load_file: AID, module: AID) -> Applet | None:
        """Return the applet of a module in a load file of the ROM, or None."""
        applet = self._applets.get(module.value)
        return applet if applet is not None and applet.load_file == load_file else None


class Code:
    """The code that one powered chip can run."""

    __slots__ = ("_loaded", "_store", "rom")

    def __init__(self, rom: Rom, store: Store) -> None:
        self.rom = rom
        self._store = store
        self._loaded: dict[tuple[bytes, bytes], Applet] = {}

    @property
    def loader(self) -> Loader:
        """What runs loaded code; 6A81 where this chip cannot."""
        if self.rom.loader is None:
            raise CardError(StatusWord.FUNCTION_NOT_SUPPORTED, "this chip runs no loaded code")
        return self.rom.loader

    def applet(self, entry: Entry) -> Applet:
        """Return the applet of an application; 6A88 where its code is gone."""
        return self.module(entry.load_file, entry.module)

    def module(self, load_file: AID, module: AID) -> Applet:
        """Return the applet of a module, or refuse with 6A88."""
        return self.rom.find(load_file, module) or self._in_load_file(load_file, module)

    def _in_load_file(self, load_file: AID, module: AID) -> Applet:
        file = Contents.parse(self._store.read(CELL)).load_file(bytes(load_file))
        if file is None or module not in file.modules:
            raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no module {module} in a load file {load_file}")
        key = (file.digest, module.value)
        applet = self._loaded.get(key)
        if applet is None:
            cell = file.area + CODE_CELL
            applet = self._loaded[key] = self.loader.applet(file, module, lambda: self._store.read(cell) or b"")
        return applet
