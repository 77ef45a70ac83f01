"""What the chip forgets at a reset.  All of it hangs below `Volatile`, which a reset replaces as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.authorization import TerminalAuthorization
from jukicard.securechannel.certificates import ChainVerifier
from jukicard.securechannel.messages import CardMessages, SecurityLevel

CHANNELS = 4


@dataclass(slots=True)
class Session:
    """A secure channel session, or the handshake towards one (`authenticated` False).

    `kid` and `kvn` name the key that opened it, `domain` the instance number of the domain whose channel it is.  `dek`
    is the key that decrypts sensitive data in it.  Of a handshake: `expected`, the host cryptogram that EXTERNAL
    AUTHENTICATE must bring, and `key_set`, the static keys as they were stored when it began.
    """

    kid: int
    kvn: int
    domain: int
    messages: CardMessages = field(repr=False)
    level: SecurityLevel
    authenticated: bool
    authorization: TerminalAuthorization | None = None
    dek: bytes | None = field(default=None, repr=False)
    expected: bytes = field(default=b"", repr=False)
    key_set: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class SecurityStatus:
    """What was proved on one logical channel, to one application, in one session.

    `verified`: references of passwords; `authenticated`: references of keys, by EXTERNAL AUTHENTICATE.
    """

    verified: set[int] = field(default_factory=set)
    authenticated: set[int] = field(default_factory=set)


class Challenge(NamedTuple):
    """What GET CHALLENGE gave last (8 bytes or more), and the session under which it was asked for (None: in the
    clear).
    """

    value: bytes
    session: Session | None


@dataclass(frozen=True, slots=True)
class Environment:
    """The current security environment (ISO/IEC 7816-4, security environments): the key reference in force for each
    control reference template and usage, and the session under which that was set (None: in the clear).
    """

    keys: Mapping[tuple[int, int], int]
    session: Session | None


@dataclass(slots=True)
class TerminalChain:
    """The certificates that a terminal has shown so far, to the anchor of key version `kvn` and identifier `kid`."""

    verifier: ChainVerifier
    domain: int
    kvn: int
    kid: int
    complete: bool = False


class Program(Protocol):
    """Loaded code at work: its volatile memory, from its first command after SELECT until another application is
    selected.  `memory` is what it takes of its domain's (instance number `domain`), in bytes.
    """

    domain: int
    memory: int


class Announced(NamedTuple):
    """What INSTALL [for load] says: the load file's AID, the instance number of the domain it goes to, the SHA-256 of
    its data block (or nothing), the approval with its signature (or nothing); and by what right: the message that a
    token signs, the token (or nothing), and the value of B6, which says whom the token is for (None: there is none).
    """

    load_file: AID
    domain: int
    digest: bytes
    approval: bytes
    message: bytes
    token: bytes
    control: bytes | None


@dataclass(slots=True)
class Loading:
    """A load file on its way: what INSTALL [for load] said of it, and the blocks that LOAD brought so far."""

    announced: Announced
    received: bytearray = field(default_factory=bytearray)
    blocks: int = 0


@dataclass(slots=True)
class Channel:
    """One logical channel (ISO/IEC 7816-4, logical channels).

    `application` is the instance number of the selected one; `current_directory` the path of FIDs from its own DF
    to the current DF, `current_file` the FID of the current EF, which lies there, `current_record` the record
    pointer in it (a record number from 1).  `challenge`, `environment`, `terminal`, `personalises` (the application
    that STORE DATA goes to), `loading` and `listing` (what GET STATUS has still to tell) end with the session;
    `program` is loaded code at work, until another application is selected; `partial` is an
    unfinished chain of commands, `pending` the rest of a response, with its status word.
    """

    number: int
    application: int
    current_directory: tuple[int, ...] = ()
    current_file: int | None = None
    current_record: int | None = None
    session: Session | None = None
    security: SecurityStatus = field(default_factory=SecurityStatus)
    challenge: Challenge | None = field(default=None, repr=False)
    environment: Environment | None = None
    terminal: TerminalChain | None = None
    personalises: int | None = None
    loading: Loading | None = None
    listing: tuple[bytes, ...] = ()
    program: Program | None = None
    partial: CommandAPDU | None = None
    pending: bytes = field(default=b"", repr=False)
    pending_sw: StatusWord = StatusWord.OK

    def select(self, application: int) -> None:
        """Make another application current; nothing of the old one's stays."""
        self.application = application
        self.program = None
        self.make_current((), None)
        self.end_session()

    def make_current(self, directory: tuple[int, ...], file: int | None) -> None:
        """Make a DF current and an EF in it, or none; the record pointer points nowhere."""
        self.current_directory = directory
        self.current_file = file
        self.current_record = None

    def end_session(self) -> None:
        """End the session, the handshake and everything that was proved in it."""
        self.session = None
        self.challenge = None
        self.environment = None
        self.terminal = None
        self.personalises = None
        self.loading = None
        self.listing = ()
        self.security = SecurityStatus()

    def open_session(self, session: Session) -> None:
        """Begin a session or handshake: nothing is inherited from the one before."""
        self.end_session()
        self.session = session


@dataclass(slots=True)
class Volatile:
    """The whole volatile state: the logical channels that are open.  The basic one always is."""

    basic: Channel
    channels: list[Channel | None]

    @classmethod
    def at_reset(cls, application: int) -> Volatile:
        """Return the state after a reset: the basic channel, with `application` selected."""
        basic = Channel(0, application)
        return cls(basic, [basic, *([None] * (CHANNELS - 1))])

    def selected(self, application: int, besides: Channel) -> bool:
        """Return whether an application is selected on another channel than `besides`."""
        return any(
            channel is not None and channel is not besides and channel.application == application
            for channel in self.channels
        )
