"""Cards in PC/SC readers, through pyscard: the only module that imports it.

The flat `SCard…` functions are used, not pyscard's classes: their return codes are what tells a removed
card from a busy reader, and nothing stands between a command and its answer.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import CardRemoved, NoReader, ProtocolLimit, ReaderBusy, TransportError
from jukicard.reader.bounded import within
from jukicard.reader.pcsc_codes import (
    CARD_REMOVED,
    CARD_RESET,
    NO_READERS,
    PROTOCOL_MISMATCH,
    SUCCESS,
    AmbiguousReaderError,
    CardResetError,
    connect_error,
    error_for,
    unsigned,
    what_is_missing,
)

__all__ = [
    "AmbiguousReaderError",
    "CardResetError",
    "PcscConnection",
    "ReaderState",
    "list_readers",
    "open_pcsc",
    "reader_states",
]

EXTENDED_LIMITS: Final = ApduLimits(max_command=65_535, max_response=65_533)
"""T=1 with extended length, as far as vpcd's 16-bit lengths carry it (measured)."""

BUSY_SECONDS: Final = 5.0
"""How long a connection waits for another program that holds the card."""

_PROTOCOL_T0: Final = 1
_PROTOCOL_T1: Final = 2
_SHORTEST_COMMAND: Final = 4
_RESETS: Final = 20


@dataclass(frozen=True, slots=True)
class ReaderState:
    """A PC/SC reader: its name, and the ATR of the card in it, None when it is empty."""

    name: str
    atr: bytes | None


def list_readers() -> tuple[str, ...]:
    """The names of the PC/SC readers, in the service's order; empty when there are none.

    Raises NoReader, saying what is missing and what to install, when PC/SC itself is not there.
    """
    scard = _load()
    with _context(scard) as context:
        return _names(scard, context)


def reader_states() -> tuple[ReaderState, ...]:
    """The PC/SC readers and the cards in them, without touching a card. Raises NoReader as `list_readers`."""
    scard = _load()
    with _context(scard) as context:
        names = _names(scard, context)
        if not names:
            return ()
        asked = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
        code, answers = scard.SCardGetStatusChange(context, 0, asked)
        if unsigned(code) != SUCCESS:
            raise error_for(scard, code, "the reader list")
        return tuple(
            ReaderState(name, bytes(atr) if state & scard.SCARD_STATE_PRESENT else None) for name, state, atr in answers
        )


def open_pcsc(
    name_part: str, *, limits: ApduLimits | None = None, busy_seconds: float = BUSY_SECONDS
) -> PcscConnection:
    """Connect to the card in the reader whose name is, or else contains, `name_part`.

    The empty string means "the only reader". `limits` overrides what is assumed for T=1 (extended length);
    T=0 carries short APDUs only, whatever is said. Raises NoReader (AmbiguousReaderError if several match),
    NoCard, or ReaderBusy when another program holds the card for longer than `busy_seconds`.
    """
    scard = _load()
    with _context(scard) as context:
        name = _choose(_names(scard, context), name_part)
    return PcscConnection(scard, name, limits, busy_seconds)


class PcscConnection:
    """A CardConnection to the card in one PC/SC reader. For one thread at a time.

    The card is shared with other programs except within `transaction`; a command outside of one is a
    transaction by itself. After CardRemoved, or ReaderBusy from a transaction that could not begin, the
    connection is over: another card in the same reader never takes the first one's place.
    """

    def __init__(self, scard: Any, reader: str, limits: ApduLimits | None, busy_seconds: float) -> None:
        """Connect; `open_pcsc` is the way to get one."""
        self.reader = reader
        self._scard = scard
        self._busy_seconds = busy_seconds
        self._depth = 0
        self._fresh = True
        self._over: TransportError | None = None
        self._context, self._card, self.protocol = within(
            busy_seconds, self._connect, self._undo_connect, f"{reader}: another program holds the card"
        )
        self._pci = scard.SCARD_PCI_T0 if self.protocol == 0 else scard.SCARD_PCI_T1
        self._limits = ApduLimits.SHORT if self.protocol == 0 else limits or EXTENDED_LIMITS
        try:
            with self.transaction():
                self._atr = self._read_atr()
        except BaseException:
            self.close()
            raise

    @property
    def atr(self) -> bytes:
        """The ATR of the last power-on or reset that this connection knows of."""
        return self._atr

    @property
    def limits(self) -> ApduLimits:
        """T=0: short APDUs. T=1: what `open_pcsc` was told, by default extended length."""
        return self._limits

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection. At least four bytes: vpcd takes shorter messages for its own controls.

        Raises ProtocolLimit before anything is sent; CardRemoved, CardResetError, ReaderBusy, NoReader.
        """
        self._check_length(command)
        if self._depth:
            return self._exchange(command)
        with self.transaction():
            return self._exchange(command)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """See CardConnection. Nested ones count as one. Raises ReaderBusy, CardResetError, CardRemoved."""
        with self._held(ignore_reset=self._fresh):
            yield

    def reset(self) -> None:
        """Reset the card (SCardReconnect). In a transaction, the transaction stays."""
        with self._held(ignore_reset=True):
            self._reconnect(self._scard.SCARD_RESET_CARD)
            self._atr = self._read_atr()
            self._fresh = True

    def close(self) -> None:
        """Reset the card, so that nothing of the session is left to the next program, and let it go."""
        if self._context is None:
            return
        context, card, held = self._context, self._card, self._depth > 0
        self._context, self._over = None, TransportError("the connection is closed")

        def let_go() -> None:
            if held:
                self._scard.SCardEndTransaction(card, self._scard.SCARD_LEAVE_CARD)
            # Not "unpower": pcscd 1.9.9 then leaves other programs with a dead card.
            self._scard.SCardDisconnect(card, self._scard.SCARD_RESET_CARD)
            self._scard.SCardReleaseContext(context)

        # Another program's transaction holds this up; it then goes on in the background.
        with contextlib.suppress(ReaderBusy):
            within(self._busy_seconds, let_go, _nothing, "")

    def _connect(self) -> tuple[Any, Any, int]:
        scard = self._scard
        context = _establish(scard)
        code, card, protocol = scard.SCardConnect(
            context, self.reader, scard.SCARD_SHARE_SHARED, _PROTOCOL_T0 | _PROTOCOL_T1
        )
        if unsigned(code) != SUCCESS:
            scard.SCardReleaseContext(context)
            raise connect_error(scard, code, self.reader)
        return context, card, 0 if protocol == _PROTOCOL_T0 else 1

    def _undo_connect(self, connected: tuple[Any, Any, int]) -> None:
        context, card, _protocol = connected
        self._scard.SCardDisconnect(card, self._scard.SCARD_LEAVE_CARD)
        self._scard.SCardReleaseContext(context)

    @contextlib.contextmanager
    def _held(self, *, ignore_reset: bool) -> Iterator[None]:
        if self._depth == 0:
            self._begin(ignore_reset=ignore_reset)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0 and self._over is None:
                # A failure here means that card or service are gone, and the lock with them.
                self._scard.SCardEndTransaction(self._card, self._scard.SCARD_LEAVE_CARD)

    def _begin(self, *, ignore_reset: bool) -> None:
        """Begin the outermost transaction. That others reset the card since is an error unless ignored."""
        self._check_open()
        code = self._lock()
        for _ in range(_RESETS):  # a program that comes and goes may reset the card again and again
            if code != CARD_RESET:
                break
            self._reconnect(self._scard.SCARD_LEAVE_CARD)
            if not ignore_reset:
                self._fresh = True
                raise CardResetError(f"{self.reader}: another program reset the card")
            code = self._lock()
        if code != SUCCESS:
            raise self._failed(code)

    def _lock(self) -> int:
        """SCardBeginTransaction, which waits for ever, within bounds."""
        context, card, scard = self._context, self._card, self._scard

        def release_late(_code: int) -> None:
            scard.SCardEndTransaction(card, scard.SCARD_LEAVE_CARD)
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
            scard.SCardReleaseContext(context)

        busy = f"{self.reader}: another program holds the card"
        try:
            return within(self._busy_seconds, lambda: unsigned(scard.SCardBeginTransaction(card)), release_late, busy)
        except BaseException:
            # The waiting thread owns the handle now and gives it back when its turn has come.
            self._context, self._over = None, ReaderBusy(f"{busy}; the connection was given up")
            raise

    def _exchange(self, command: bytes) -> bytes:
        self._check_open()
        code, response = self._transmit(command)
        if code == CARD_RESET and self._fresh:  # nothing was sent, and nothing of a session is lost
            self._reconnect(self._scard.SCARD_LEAVE_CARD)
            code, response = self._transmit(command)
        if code != SUCCESS:
            raise self._failed(code)
        if not response:  # how vpcd's driver reports a card that leaves in mid-command
            raise self._failed(CARD_REMOVED)
        self._fresh = False
        return bytes(response)

    def _transmit(self, command: bytes) -> tuple[int, list[int]]:
        code, response = self._scard.SCardTransmit(self._card, self._pci, list(command))
        # While pcscd 1.9.9 resets the card for a program that has died, the card has no protocol.
        return CARD_RESET if unsigned(code) == PROTOCOL_MISMATCH else unsigned(code), response

    def _reconnect(self, initialization: int) -> None:
        self._check_open()
        mode, protocols = self._scard.SCARD_SHARE_SHARED, _PROTOCOL_T0 | _PROTOCOL_T1
        code, _protocol = self._scard.SCardReconnect(self._card, mode, protocols, initialization)
        if unsigned(code) != SUCCESS:
            raise self._failed(code)

    def _read_atr(self) -> bytes:
        code, _name, _state, _protocol, atr = self._scard.SCardStatus(self._card)
        if unsigned(code) != SUCCESS:
            raise self._failed(code)
        return bytes(atr)

    def _failed(self, code: int) -> TransportError:
        """The error for a code; remembers if nothing can come after it."""
        error = error_for(self._scard, code, self.reader)
        if isinstance(error, CardRemoved | NoReader):
            self._over = error
        elif isinstance(error, CardResetError):
            with contextlib.suppress(TransportError):
                self._reconnect(self._scard.SCARD_LEAVE_CARD)
            self._fresh = True
        return error

    def _check_open(self) -> None:
        if self._over is not None:
            raise type(self._over)(*self._over.args)

    def _check_length(self, command: bytes) -> None:
        if len(command) < _SHORTEST_COMMAND:
            raise ProtocolLimit("a command APDU has at least four bytes")
        if len(command) > self._limits.max_command:
            raise ProtocolLimit(
                f"the command has {len(command)} bytes; this connection carries {self._limits.max_command}"
            )
        if not self._limits.extended and len(command) > 5 and command[4] == 0:
            raise ProtocolLimit("this connection carries no extended-length APDUs")


def _nothing(_result: None) -> None:
    return None


def _load() -> Any:
    try:
        return importlib.import_module("smartcard.scard")
    except ImportError as error:
        raise NoReader(
            "the Python package pyscard is not installed: pip install 'jukicard[pcsc]' "
            "(Linux builds it from source: apt install gcc python3-dev libpcsclite-dev)"
        ) from error


@contextlib.contextmanager
def _context(scard: Any) -> Iterator[Any]:
    context = _establish(scard)
    try:
        yield context
    finally:
        scard.SCardReleaseContext(context)


def _establish(scard: Any) -> Any:
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if unsigned(code) == SUCCESS:
        return context
    raise NoReader(what_is_missing(unsigned(code)))


def _names(scard: Any, context: Any) -> tuple[str, ...]:
    code, names = scard.SCardListReaders(context, [])
    if unsigned(code) == NO_READERS:
        return ()
    if unsigned(code) != SUCCESS:
        raise error_for(scard, code, "the reader list")
    return tuple(names)


def _choose(names: tuple[str, ...], part: str) -> str:
    matching = [name for name in names if name == part] or [name for name in names if part in name]
    if len(matching) == 1:
        return matching[0]
    if not names:
        raise NoReader("the PC/SC service is there, but no reader is connected")
    if not matching:
        raise NoReader(f"no reader's name contains {part!r}; there are: {_listing(names)}")
    which = f"{len(matching)} readers' names contain {part!r}" if part else f"there are {len(names)} readers"
    raise AmbiguousReaderError(f"{which}; name one of: {_listing(tuple(matching))}")


def _listing(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names)
