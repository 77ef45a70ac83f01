"""PC/SC's return codes, and the errors they become."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from typing import Any, Final

from jukicard.iso7816.errors import (
    CardRemoved,
    NoCard,
    NoReader,
    ProtocolLimit,
    ReaderBusy,
    TransportError,
)

# PC/SC return codes (PC/SC Workgroup part 5; the same numbers in winscard.h and pcsclite.h)
SUCCESS: Final = 0x00000000
_UNKNOWN_READER: Final = 0x80100009
_SHARING_VIOLATION: Final = 0x8010000B
_NO_SMARTCARD: Final = 0x8010000C
PROTOCOL_MISMATCH: Final = 0x8010000F
_NOT_TRANSACTED: Final = 0x80100016
_READER_UNAVAILABLE: Final = 0x80100017
NO_READERS: Final = 0x8010002E
CARD_RESET: Final = 0x80100068
CARD_REMOVED: Final = 0x80100069
_SERVICE_GONE: Final = frozenset({0x80100001, 0x80100013, 0x8010001D, 0x8010001E})
_CARD_SILENT: Final = frozenset({0x80100066, 0x80100067})
_CARD_LOST: Final = frozenset({_NO_SMARTCARD, _NOT_TRANSACTED, CARD_REMOVED, 0x8010002F}) | _CARD_SILENT


class AmbiguousReaderError(NoReader):
    """More than one reader has that name."""


class CardResetError(TransportError):
    """Another program reset the card in mid-session: what the card knew of this session is gone."""


def unsigned(code: int) -> int:
    """PC/SC's codes as they are written; some platforms hand them over as negative numbers."""
    return code & 0xFFFFFFFF


def error_for(scard: Any, code: int, reader: str) -> TransportError:
    """The error for a code that is not SUCCESS, in the middle of a session with `reader`."""
    code = unsigned(code)
    if code in _CARD_LOST:
        return CardRemoved(f"{reader}: the card was removed")
    if code == CARD_RESET:
        return CardResetError(f"{reader}: another program reset the card")
    if code == _SHARING_VIOLATION:
        return ReaderBusy(f"{reader}: another program uses the card exclusively")
    if code in (_UNKNOWN_READER, _READER_UNAVAILABLE):
        return NoReader(f"{reader}: the reader is gone")
    if code in _SERVICE_GONE:
        return NoReader("the PC/SC service is gone")
    if code == PROTOCOL_MISMATCH:
        return ProtocolLimit(f"{reader}: the card speaks neither T=0 nor T=1")
    return TransportError(f"{reader}: {scard.SCardGetErrorMessage(code)} (0x{code:08X})")


def connect_error(scard: Any, code: int, reader: str) -> TransportError:
    """The error for a code that is not SUCCESS when connecting: a card that is not there was never there."""
    if unsigned(code) in _CARD_SILENT:
        return NoCard(f"{reader}: the card does not answer to reset")
    if unsigned(code) in _CARD_LOST:
        return NoCard(f"{reader}: no card in the reader")
    return error_for(scard, code, reader)


def what_is_missing(code: int) -> str:
    """pyscard gives one code for a missing library, a missing service and a stopped one: look which it is."""
    if not sys.platform.startswith("linux"):
        return f"the system's smart card service does not answer (0x{code:08X})"
    try:
        ctypes.CDLL("libpcsclite.so.1")
    except OSError:
        return "the PC/SC library libpcsclite.so.1 is not installed: apt install libpcsclite1 pcscd"
    socket_path = os.environ.get("PCSCLITE_CSOCK_NAME")
    where = f" at {socket_path} (PCSCLITE_CSOCK_NAME)" if socket_path else ""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    if shutil.which("pcscd", path=search):
        return f"the PC/SC service pcscd does not answer{where} (0x{code:08X}): start it"
    return f"no PC/SC service answers{where}: pcscd is not installed: apt install pcscd"
