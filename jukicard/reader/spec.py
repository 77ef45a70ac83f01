"""Reader specifications, as `--reader` and JUKI_READER take them.

emulator:PATH               the chip in that card file, in this process, by its contacts
emulator:PATH+contactless   the same by its contactless interface
pcsc:NAME                   the PC/SC reader whose name contains NAME
pcsc:                       the only PC/SC reader
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jukicard.reader.chip import Interface

CARD_SUFFIX = ".juki"
"""How card files are named."""

_CONTACTLESS = "+contactless"


class ReaderSpecError(ValueError):
    """The text is not a reader specification; the message says why and what would be one."""


@dataclass(frozen=True, slots=True)
class EmulatorSpec:
    """An emulated chip: its card file and the interface to use."""

    path: Path
    interface: Interface = Interface.CONTACT

    def __str__(self) -> str:
        suffix = _CONTACTLESS if self.interface is Interface.CONTACTLESS else ""
        return f"emulator:{self.path}{suffix}"


@dataclass(frozen=True, slots=True)
class PcscSpec:
    """A PC/SC reader by its name or a part of it; the empty string is the only reader there is."""

    name: str

    def __str__(self) -> str:
        return f"pcsc:{self.name}"


ReaderSpec = EmulatorSpec | PcscSpec


def parse_spec(text: str) -> ReaderSpec:
    """Parse a specification; ReaderSpecError if it is none. `str()` of the result gives it back.

    A path is taken as it stands: `~` and variables are the shell's business.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in ("emulator", "pcsc"):
        raise ReaderSpecError(
            f"{text!r} is not a reader: it must begin with 'emulator:' (a card file) or 'pcsc:' (a reader)"
        )
    if kind == "pcsc":
        return PcscSpec(rest)
    path, interface = rest, Interface.CONTACT
    if rest.endswith(_CONTACTLESS):
        path, interface = rest.removesuffix(_CONTACTLESS), Interface.CONTACTLESS
    if not path:
        raise ReaderSpecError(f"{text!r} names no card file: write 'emulator:PATH'")
    if "\0" in path:
        raise ReaderSpecError("a card file's path cannot contain a zero byte")
    return EmulatorSpec(Path(path), interface)
