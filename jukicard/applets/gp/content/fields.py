"""What the commands of content management have in common: the fields of INSTALL, its parameters, names, privileges."""

from __future__ import annotations

from typing import NamedTuple

from jukicard.applets.gp.approval import TAG_APPROVAL, TAG_SIGNATURE
from jukicard.applets.gp.fields import FieldReader
from jukicard.applets.gp.tokens import TAG_CONTROL, TAG_SPECIFIC, TAG_SYSTEM, token_message
from jukicard.card.context import DomainContext
from jukicard.card.errors import CardError
from jukicard.card.registry import Entry, Privilege
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

LONGEST_INSTALL = 4096
APPROVAL = (TAG_APPROVAL, TAG_SIGNATURE)


class InstallFields(NamedTuple):
    """The fields of INSTALL: `first` to `privileges` by their places, which mean something else in every form;
    `message` is what a token is a signature over (GP 2.3.1, C.4): P1, P2, the length of what follows as in Lc, and all
    fields but the token.
    """

    first: bytes
    second: bytes
    third: bytes
    privileges: bytes
    parameters: bytes
    token: bytes
    message: bytes

    @classmethod
    def read(cls, cmd: CommandAPDU) -> InstallFields:
        """Read the data field of INSTALL: six fields, each with its length as in BER before it (6A80)."""
        reader = FieldReader(cmd.data)
        first, second, third, privileges, parameters = (reader.field() for _ in range(5))
        message = token_message(cmd.p1, cmd.p2, reader.consumed)
        token = reader.field()
        reader.end()
        return cls(first, second, third, privileges, parameters, token, message)


class Parameters(NamedTuple):
    """The parameters of INSTALL: `specific` is the application's own (C9), `system` what EF holds, by tag, `control`
    what B6 says about the token (None where there is no B6), `approval` BF61 and 5F37, or nothing.
    """

    specific: bytes
    system: dict[int, int]
    control: bytes | None
    approval: bytes

    @classmethod
    def read(cls, stored: bytes, *, known: tuple[int, ...], system: tuple[int, ...] = ()) -> Parameters:
        """Read the parameters; 6A80 for an object that is not `known` here, or one in EF that is not in `system`."""
        fields = by_tag(stored)
        if set(fields) - {*known, TAG_CONTROL}:
            raise CardError(StatusWord.INCORRECT_DATA, "a parameter that is not known here")
        sizes = by_tag(fields.get(TAG_SYSTEM, b""))
        if set(sizes) - set(system) or any(len(size) not in (2, 4) for size in sizes.values()):
            raise CardError(StatusWord.INCORRECT_DATA, "EF holds quotas of 2 or 4 bytes")
        approval = b"".join(Tlv(tag, fields[tag]).encode() for tag in APPROVAL if tag in fields)
        numbers = {tag: int.from_bytes(size) for tag, size in sizes.items()}
        return cls(fields.get(TAG_SPECIFIC, b""), numbers, fields.get(TAG_CONTROL), approval)


def by_tag(stored: bytes) -> dict[int, bytes]:
    """Return data objects by their tags; 6A80 for what is none, or comes twice."""
    try:
        objects = parse_tlvs(stored)
    except TlvError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
    fields = {tlv.tag: tlv.value for tlv in objects}
    if len(fields) != len(objects):
        raise CardError(StatusWord.INCORRECT_DATA, "a data object comes twice")
    return fields


def to_aid(name: bytes) -> AID:
    """Return an AID; 6A80 where it is none."""
    try:
        return AID(name)
    except ValueError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None


def to_privileges(stored: bytes) -> Privilege:
    """Read privileges of one byte or three; 6A80 for one that this card does not know."""
    if len(stored) not in (1, 3):
        raise CardError(StatusWord.INCORRECT_DATA, "privileges are one byte or three")
    value = int.from_bytes(stored.ljust(3, b"\0"))
    if value & ~sum(Privilege):
        raise CardError(StatusWord.INCORRECT_DATA, "a privilege that this card does not know")
    return Privilege(value)


def application_named(fields: InstallFields) -> bytes:
    """Return the application's AID from the forms of INSTALL that name nothing else: no privileges but zeros."""
    if fields.first or fields.second or fields.privileges.strip(b"\0"):
        raise CardError(StatusWord.INCORRECT_DATA, "only the application is named here")
    return fields.third


def own(ctx: DomainContext, aid: bytes) -> Entry:
    """Return an application below this domain by its full AID, or refuse with 6A88."""
    entry = ctx.registry.by_aid(aid)
    if entry is None or entry.domain != ctx.entry.instance or entry.instance == ctx.entry.instance:
        raise CardError(StatusWord.REFERENCE_NOT_FOUND, "no such application in this domain")
    return entry
