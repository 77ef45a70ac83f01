"""What kind of card it is, found out by SELECT of applications whose names are known, and by reads that are free.

Nothing here can cost a card anything: SELECT by name, SELECT of an elementary file, READ BINARY, GET DATA, and GET
RESPONSE where a card asks for it.  VERIFY is not sent, not even the empty one, which some cards count as a try.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, TAG_ISSUER_NUMBER, TAG_RECOGNITION
from jukicard.applets.juki.layout import JUKI_AID
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import CardConnection, ConnectionWrapper, send
from jukicard.iso7816.errors import MalformedResponse
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, find, parse_one
from jukicard.iso7816.wrappers import CommandChaining, ExactLength, ResponseChaining

Facts: TypeAlias = dict[str, object]

OUR_MAKER = bytes.fromhex("4A554B49")
MAX_COMMANDS = 400
"""For one look at a card: one that never comes to an end is left alone."""
MAX_ROUNDS = 32
"""GET RESPONSE commands for one answer: 8 KiB, more than anything that is read here."""

DOMAINS = (
    ISSUER_DOMAIN_AID,
    AID.from_hex("A0 00 00 01 51 00 00"),  # My Number cards
    AID.from_hex("A0 00 00 00 03 00 00 00"),  # Open Platform 2.0.1
)
"""The names that issuers' domains have."""

NOBODY = AID.from_hex("F0 6E 6F 62 6F 64 79 00")
"""A name in the unregistered category (F0) that no card has: who accepts it says nothing by accepting others."""

_NO_FCI = 0x0C


@dataclass(frozen=True, slots=True)
class Known:
    """An application that is known by its name. `p2` of SELECT: 00 with FCI, 0C without, as its usual hosts send it."""

    name: str
    aid: AID
    p2: int = 0x00


JPKI = Known("JPKI (公的個人認証AP)", AID.from_hex("D3 92 F0 00 26 01 00 00 00 01"), _NO_FCI)
KNOWN = (
    Known("Juki (住基AP)", JUKI_AID, _NO_FCI),
    Known("face verification (券面事項確認AP)", AID.from_hex("D3 92 10 00 31 00 01 01 04 02"), _NO_FCI),
    Known("face data entry (券面事項入力補助AP)", AID.from_hex("D3 92 10 00 31 00 01 01 04 08"), _NO_FCI),
    Known("shared (共通カードAP)", AID.from_hex("D3 92 10 00 31 00 01 01 01 00"), _NO_FCI),
    JPKI,
    Known("OpenPGP", AID.from_hex("D2 76 00 01 24 01")),
    Known("PIV", AID.from_hex("A0 00 00 03 08 00 00 10 00")),
)

KINDS = {
    "jukicard": "Juki card of this project",
    "jpki": "JPKI card (My Number or Juki family)",
    "globalplatform": "GlobalPlatform card",
    "unknown": "unknown",
}

# JPKI: EF 0006 is a serialised PKCS#11 token information; its first 32 bytes are the label (docs: physical readers).
_EF_TOKEN = b"\x00\x06"
_LABEL_SIZE = 32
_LONGEST_TEXT = 200
"""Characters that are shown of a text of the card's."""


class Patience(ConnectionWrapper):
    """Stops asking a card that does not come to an end: MalformedResponse after so many commands."""

    def __init__(self, inner: CardConnection, commands: int = MAX_COMMANDS) -> None:
        super().__init__(inner)
        self.left = commands

    def transmit(self, command: bytes) -> bytes:
        """See CardConnection."""
        self.left -= 1
        if self.left < 0:
            raise MalformedResponse("the card's answers do not come to an end")
        return self.inner.transmit(command)


def careful_stack(connection: CardConnection) -> CardConnection:
    """The usual stack over a raw connection, with bounds for a card that may be anything."""
    return CommandChaining(ResponseChaining(ExactLength(Patience(connection)), rounds=MAX_ROUNDS))


def recognise(stack: CardConnection) -> Facts:
    """Return `kind` (a key of KINDS), `kind_in_words`, the known `known_applications`, `jpki_token` and
    `globalplatform`; TransportError if the card leaves.
    """
    if selected(stack, NOBODY):
        return _found("unknown", "accepts every name")
    names = [known.name for known in KNOWN if selected(stack, known.aid, known.p2)]
    token = _token_label(stack) if JPKI.name in names else None
    domain = domain_selected(stack)
    ours = domain and _issuer(stack) == OUR_MAKER
    platform = _platform(stack) if domain else None
    if ours and KNOWN[0].name in names:
        return _found("jukicard", None, names, token, platform)
    kind = "jpki" if JPKI.name in names else "globalplatform" if domain else "unknown"
    return _found(kind, "a chip of this project" if ours else None, names, token, platform)


def _found(
    kind: str, remark: str | None, names: list[str] | None = None, token: str | None = None, platform: str | None = None
) -> Facts:
    words = KINDS[kind] + (f" ({remark})" if remark else "")
    return {
        "kind": kind,
        "kind_in_words": words,
        "known_applications": names or [],
        "jpki_token": token,
        "globalplatform": platform,
    }


def selected(stack: CardConnection, aid: AID, p2: int = 0x00) -> bool:
    """Whether the card has an application of that name, which it has then selected."""
    ne = None if p2 == _NO_FCI else 256
    response = answer(stack, CommandAPDU(0x00, 0xA4, 0x04, p2, bytes(aid), ne))
    return response is not None and not response.sw.is_error


def domain_selected(stack: CardConnection) -> bool:
    """Whether the card has an issuer's domain, by one of its names, which it has then selected."""
    return any(selected(stack, name) for name in DOMAINS)


def answer(stack: CardConnection, command: CommandAPDU) -> ResponseAPDU | None:
    """Send a command; None for an answer that is none."""
    try:
        return send(stack, command)
    except MalformedResponse:
        return None


def data_object(stack: CardConnection, tag: int) -> Tlv | None:
    """Return a data object of the selected domain, or None where there is none, or nothing well-formed."""
    response = answer(stack, CommandAPDU(0x80, 0xCA, tag >> 8, tag & 0xFF, ne=256))
    if response is None or response.sw is not StatusWord.OK:
        return None
    try:
        found = parse_one(response.data)
    except TlvError:
        return None
    return found if found.tag == tag else None


def _issuer(stack: CardConnection) -> bytes | None:
    found = data_object(stack, TAG_ISSUER_NUMBER)
    return None if found is None else found.value


def _token_label(stack: CardConnection) -> str | None:
    """Read the label of the JPKI token, which is free: JPKIAPICCTOKEN on Juki cards, …TOKEN2 on My Number cards."""
    if not selected(stack, JPKI.aid, JPKI.p2):
        return None
    chosen = answer(stack, CommandAPDU(0x00, 0xA4, 0x02, _NO_FCI, _EF_TOKEN))
    if chosen is None or not chosen.sw.is_ok:
        return None
    read = answer(stack, CommandAPDU(0x00, 0xB0, 0x00, 0x00, ne=_LABEL_SIZE))
    if read is None or read.sw.is_error:
        return None
    label = read.data[:_LABEL_SIZE].decode("ascii", "replace").rstrip(" \0")
    return label if label.isprintable() and label else None


def harmless(text: bytes | str) -> str:
    """Return a card's text as it may be shown: what is no printable character becomes U+FFFD.

    A terminal would obey control characters, whoever wrote them.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:_LONGEST_TEXT])


# GlobalPlatform Card Specification 2.3.1, annex H.2: card recognition data. 1.2.840.114283 is its OID's beginning.
_GP_OID = bytes.fromhex("2A864886FC6B")
_LONGEST_OID = 32
"""Bytes: longer ones say nothing that is known, and their numbers would have no end."""


def _platform(stack: CardConnection) -> str | None:
    """Say which GlobalPlatform version and secure channels the card data names, as `2.3.1, SCP03 i=70`."""
    card_data = data_object(stack, TAG_RECOGNITION)
    if card_data is None:
        return None
    try:
        (recognition,) = card_data.children
        version = _oid_values(find(recognition.children, 0x60), 2)
        channels = [_oid_values(child, 4) for child in recognition.children if child.tag == 0x64]
    except (TlvError, ValueError):
        return None
    said = [".".join(map(str, version))] if version else []
    said += [f"SCP{channel[0]:02X} i={channel[1]:02X}" for channel in channels if len(channel) == 2]
    return ", ".join(said) or None


def _oid_values(holder: Tlv | None, branch: int) -> list[int]:
    """Return the numbers after GlobalPlatform's branch in the OID that a data object holds; none if it is another."""
    oid = None if holder is None else find(holder.children, 0x06)
    if oid is None or len(oid.value) > _LONGEST_OID or not oid.value.startswith(_GP_OID + bytes((branch,))):
        return []
    values, number = [], 0
    for byte in oid.value[len(_GP_OID) + 1 :]:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            values.append(number)
            number = 0
    return values
