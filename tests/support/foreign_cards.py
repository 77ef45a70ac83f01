"""Cards of other makers, as scripts: the shapes that real cards have, and some that only a broken card has.

Each counts in `costly` every command that might change something on a real card, or cost it a try; the empty VERIFY
is one of them.  `protocol` is the one in use, as a PC/SC connection tells it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import CardRemoved, TransportError

HARMLESS = frozenset({0xA4, 0xCA, 0xCB, 0xB0, 0xB2, 0xC0, 0x84})
"""SELECT, GET DATA, READ BINARY, READ RECORD, GET RESPONSE, GET CHALLENGE."""

OK, NOT_FOUND, NO_REFERENCE, NO_INS = (bytes.fromhex(sw) for sw in ("9000", "6A82", "6A88", "6D00"))

ISD = "A000000151000000"
SHORT_ISD = "A0000001510000"
"""As My Number cards have it."""
JPKI = "D392F000260100000001"
JUKI = "D3921000310001010401"
FACE = "D3921000310001010402"
ENTRY = "D3921000310001010408"
SHARED = "D3921000310001010100"
OPENPGP = "D27600012401"


class ForeignCard:
    """Answers by `respond`; remembers what it was asked. Without one it knows no command."""

    def __init__(
        self,
        atr: str,
        respond: Callable[[CommandAPDU], bytes] = lambda command: NO_INS,
        *,
        limits: ApduLimits = ApduLimits.EXTENDED,
        protocol: int = 1,
    ) -> None:
        self.atr = bytes.fromhex(atr)
        self.limits = limits
        self.protocol = protocol
        self.respond = respond
        self.commands: list[CommandAPDU] = []
        self.resets = 0
        self.closed = False

    @property
    def costly(self) -> list[CommandAPDU]:
        """The commands that might have changed something."""
        return [command for command in self.commands if command.ins not in HARMLESS]

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(CommandAPDU.parse(command))
        return self.respond(self.commands[-1])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


class Applications:
    """The usual shape: applications by name, each with data objects and transparent files; the first one after reset.

    `applications`: by AID (hex), what SELECT answers with P2 = 00, data objects by tag, files by identifier (hex).
    Names match from their beginning.  Extended commands are refused with 6700 unless `extended`.
    """

    def __init__(
        self,
        applications: Mapping[str, tuple[str, Mapping[int, str], Mapping[str, str]]],
        *,
        extended: bool = True,
        challenges: bool = True,
    ) -> None:
        self.applications = dict(applications)
        self.extended = extended
        self.challenges = challenges
        self.current = next(iter(self.applications), "")
        self.file: bytes | None = None

    def __call__(self, command: CommandAPDU) -> bytes:
        if command.extended and not self.extended:
            return bytes.fromhex("6700")
        if command.ins == 0xA4 and command.p1 == 0x04:
            return self._by_name(command)
        _fci, objects, files = self.applications.get(self.current, ("", {}, {}))
        if command.ins == 0xA4:
            content = files.get(command.data.hex().upper())
            self.file = None if content is None else bytes.fromhex(content)
            return NOT_FOUND if content is None else OK
        if command.ins == 0xCA:
            found = objects.get(command.p1 << 8 | command.p2)
            return NO_REFERENCE if found is None else bytes.fromhex(found) + OK
        if command.ins == 0xB0 and self.file is not None:
            start = command.p1 << 8 | command.p2
            return self.file[start : start + (command.ne or 0)] + OK if start < len(self.file) else b"\x6b\x00"
        if command.ins == 0x84 and self.challenges:
            return bytes(command.ne or 0) + OK
        return NO_INS

    def _by_name(self, command: CommandAPDU) -> bytes:
        name = command.data.hex().upper()
        found = next((aid for aid in self.applications if aid.startswith(name)), None)
        if found is None:
            return NOT_FOUND
        self.current, self.file = found, None
        fci = self.applications[found][0] if command.p2 == 0x00 else ""
        return bytes.fromhex(fci) + OK


# Card recognition data as GlobalPlatform's annex H.2 lays it out: version 2.2.1, SCP02 i=55.
CARD_DATA = (
    "664C734A06072A864886FC6B01600C060A2A864886FC6B02020201630906072A864886FC6B03640B06092A864886FC6B040255"
    "650B06092B8510864864020103660C060A2B060104012A026E0102"
)
CPLC = "9F7F2A" + "4790" * 21
KEY_INFORMATION = "E012C00401FF8010C00402FF8010C00403FF8010"


def globalplatform(*, protocol: int = 1) -> ForeignCard:
    """A Java Card with an issuer's domain, of unknown ATR, that carries short commands only."""
    objects = {0x0066: CARD_DATA, 0x9F7F: CPLC, 0x00E0: KEY_INFORMATION}
    fci = "6F108408A000000151000000A5049F6501FF"
    applications = Applications({ISD: (fci, objects, {})}, extended=False)
    atr = "3BF91300008131FE454A434F503234325233A2" if protocol else "3B6800000073C84013009000"
    return ForeignCard(
        atr, applications, protocol=protocol, limits=ApduLimits.EXTENDED if protocol else ApduLimits.SHORT
    )


def token_information(label: str) -> str:
    """EF 0006 of the JPKI application: a token information of 160 bytes, with this label."""
    fields = label.ljust(32).encode() + b"maker".ljust(32) + b"model".ljust(16) + b"0" * 16
    return (fields + bytes.fromhex("0000040D") + bytes(60)).hex().upper()


def my_number() -> ForeignCard:
    """A My Number card: the domain answers few questions, SELECT gives no FCI, token information is free."""
    files = {"0006": token_information("JPKIAPICCTOKEN2"), "0018": "", "001B": ""}
    nothing: tuple[str, Mapping[int, str], Mapping[str, str]] = ("", {}, {})
    known = {SHORT_ISD: ("", {0x0042: "4210" + "00" * 16}, {}), JPKI: ("", {}, files), ENTRY: nothing, FACE: nothing}
    return ForeignCard("3BE000FF8131FE4514", Applications({**known, JUKI: nothing, SHARED: nothing}))


def old_juki() -> ForeignCard:
    """A Juki card with JPKI, and no domain that can be selected."""
    files = {"0006": token_information("JPKIAPICCTOKEN")}
    return ForeignCard("3BE000FF8131FE4514", Applications({JPKI: ("", {}, files), JUKI: ("", {}, {})}, extended=False))


def openpgp() -> ForeignCard:
    """An OpenPGP card: its application, no issuer's domain to be seen."""
    objects = {0x004F: "D276000124010304FFFE12345678", 0x00C4: "007F7F7F030003"}
    fci = "6F12841" + "0D2760001240103040006123456780000"
    return ForeignCard(
        "3BDA18FF81B1FE751F030031C573C001400090000C", Applications({OPENPGP + "0304": (fci, objects, {})})
    )


def always(answer: str, atr: str = "3B00") -> ForeignCard:
    """A card that says the same to everything."""
    return ForeignCard(atr, lambda command: bytes.fromhex(answer))


def silent(error: TransportError | None = None) -> ForeignCard:
    """A card that gives no answer: the reader reports that as a removal, or as what is given."""

    def respond(command: CommandAPDU) -> bytes:
        raise error or CardRemoved("the card answered with nothing")

    return ForeignCard("3B00", respond)


def leaving_after(card: ForeignCard, commands: int) -> ForeignCard:
    """The card, pulled out after so many commands."""
    inner = card.respond

    def respond(command: CommandAPDU) -> bytes:
        if len(card.commands) > commands:
            raise CardRemoved("the card was pulled")
        return inner(command)

    card.respond = respond
    return card


def failing_at_extended(card: ForeignCard, error: TransportError) -> ForeignCard:
    """The card in a reader that fails so when a command has the extended form."""
    inner = card.respond

    def respond(command: CommandAPDU) -> bytes:
        if command.extended or (command.ne or 0) > 256:
            raise error
        return inner(command)

    card.respond = respond
    return card


BABBLERS = {
    "61xx without end": "6110",
    "61 00 without end": "6100",
    "61xx with data without end": "00" * 256 + "6100",
    "6Cxx without end": "6C10",
    "more data whenever asked": "00" * 256 + "9000",
    "9000": "9000",
    "6F00": "6F00",
    "6D00": "6D00",
    "6A82": "6A82",
    "warning": "6283",
    "tries": "63C2",
    "broken objects": "4F0490009000",
    "endless length": "61009000",
    "one byte": "90",
    "nothing": "",
}
"""Cards that say the same to everything, by what they say."""
