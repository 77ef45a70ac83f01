"""Certificate vending on the chip: what a kiosk needs before it prints a certificate for the card's holder.

The kiosk proves itself (SCP11a, right `vending`), the holder proves a password of this service; the card keeps, for
each type of certificate, whether it may be issued and how many are left, writes down every issue, and signs a statement
of it for the kiosk's server.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.service.applet import MunicipalService
from jukicard.applets.service.rules import HOLDER, KEY_PAIR, OFFICE, OWNER, private, rules, terminal
from jukicard.applets.service.rules import PASSWORD as PASSWORD_RULES
from jukicard.applets.vending import layout
from jukicard.applets.vending.records import CertificateType, Issue, Request, VendingError
from jukicard.card.commands import PROPRIETARY, On, command, data
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import ReadBinary
from jukicard.card.files.records import RecordCommands
from jukicard.card.files.structures import File, FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.security.key_commands import KeyPairCommands
from jukicard.card.security.keypairs import KeyPairSpec
from jukicard.card.security.password_commands import PasswordCommands
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import AccessMode, AccessRules, AnyOf, ModeDo
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import TlvError, parse_tlvs
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.signatures import sign

_KIOSK, _PRIVATE_OFFICE = terminal(Right.VENDING), private(Right.MUNICIPAL_SERVICE, layout.PASSWORD)
_ISSUING = private(Right.VENDING, layout.PASSWORD)
_AT_OFFICE = terminal(Right.MUNICIPAL_SERVICE)

TYPE_RULES = rules(
    (AccessMode.READ, AnyOf(_KIOSK, _AT_OFFICE)),
    (AccessMode.UPDATE | AccessMode.WRITE, OFFICE),
)
AUDIT_RULES = rules(
    (AccessMode.READ, AnyOf(_ISSUING, _PRIVATE_OFFICE)),
    (ModeDo.header(ins=layout.INS_ISSUE), _ISSUING),
)
CERTIFICATE_RULES = rules((AccessMode.READ, AnyOf(HOLDER, OWNER)))
_NONE = AccessRules()
_FILES = (
    FileSpec(
        layout.EF_TYPES,
        FileKind.LINEAR_FIXED,
        _NONE,
        TYPE_RULES,
        sfi=0x01,
        record_size=CertificateType.SIZE,
        records=layout.MAX_TYPES,
    ),
    FileSpec(
        layout.EF_AUDIT,
        FileKind.CYCLIC,
        _NONE,
        AUDIT_RULES,
        sfi=0x02,
        record_size=Issue.SIZE,
        records=layout.MAX_AUDIT,
    ),
    FileSpec(
        layout.EF_CERTIFICATES,
        FileKind.TRANSPARENT,
        _NONE,
        CERTIFICATE_RULES,
        sfi=0x03,
        size=layout.CERTIFICATES_SIZE,
    ),
)
_PASSWORD = PasswordSpec(
    layout.PASSWORD, _NONE, PASSWORD_RULES, layout.PASSWORD_MINIMUM, layout.PASSWORD_MAXIMUM, layout.PASSWORD_TRIES
)
_KEY = KeyPairSpec(layout.KEY, _NONE, KEY_PAIR)


def _audit(cmd: CommandAPDU, ctx: Context) -> File:
    return ctx.files.by_fid(layout.EF_AUDIT)


class VendingApplet(ReadBinary, RecordCommands, PasswordCommands, KeyPairCommands, MunicipalService):
    """Certificate vending."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.MODULE
    label: ClassVar[str] = "Vending"

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files, the password and the place of the key pair."""
        super().install(ctx, parameters)
        for spec in _FILES:
            ctx.files.create(spec, LifeCycle.ACTIVATED)
        ctx.passwords.create(_PASSWORD, LifeCycle.ACTIVATED)
        ctx.key_pairs.create(_KEY, LifeCycle.ACTIVATED)

    def store_data(self, ctx: Context, block: bytes) -> None:
        """Take the key's certificates and the first types, in one block; 6985 once anything was issued.

        Again before that: an issue of the card that was interrupted here is resumed.
        """
        if ctx.files.by_fid(layout.EF_AUDIT).records:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "certificates have been issued with this card")
        ctx.key_pairs.by_reference(layout.KEY).check_generated()
        try:
            certificates, types = parse_tlvs(block)
            records = [one.encode() for one in CertificateType.parse_all(types.value)]
        except (TlvError, ValueError):
            raise CardError(StatusWord.INCORRECT_DATA, "the data are BF21 and C0") from None
        room = layout.CERTIFICATES_SIZE
        if (certificates.tag, types.tag) != (layout.TAG_CERTIFICATES, layout.TAG_TYPES):
            raise CardError(StatusWord.INCORRECT_DATA, "the data are BF21 and C0")
        if len(certificates.value) > room or len(records) > layout.MAX_TYPES or len(_numbers(records)) < len(records):
            raise CardError(StatusWord.INCORRECT_DATA, "more than there is room for, or a type twice")
        ctx.files.by_fid(layout.EF_CERTIFICATES).write(certificates.value.ljust(room, b"\0"))
        ctx.files.by_fid(layout.EF_TYPES).write_records(records)

    def add_record(self, ctx: Context, file: File, record: bytes) -> int:
        """Let another type be issued; 6A89 for one that is there."""
        file.check_length(record)
        if _type(record).number in _numbers(file.records):
            raise CardError(StatusWord.FILE_EXISTS, "this type is there already")
        return file.append(record)

    def check_update(self, ctx: Context, file: File, old: bytes, new: bytes) -> None:
        """Block a type or let it be issued again, and say how many are left; a record's type stays (6985)."""
        if _type(new).number != old[0]:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "a record's type stays")

    @command(
        PROPRIETARY,
        ins=layout.INS_ISSUE,
        length=data(Request.SIZE, Request.SIZE),
        access=On(_audit, None, "EF.AUDIT, to issue"),
        writes=True,
        spec="docs/services.md, certificate vending",
    )
    def issue_certificate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Write down an issue, count it, and answer its number (4 bytes) and the card's signature of it (64 bytes).

        6A83: no such type; 6985: it is blocked, or none is left; 6A80: a day before the one that the card knows.  The
        request that came last is answered the same again, and not counted.
        """
        try:
            request = Request.parse(cmd.data)
        except VendingError as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        audit = ctx.files.by_fid(layout.EF_AUDIT)
        last = [Issue.parse(record) for record in audit.records[:1]]
        if last and last[0].request == request:
            return _statement(ctx, last[0])
        if int(request.day) < (ctx.date_estimate or 0):
            raise CardError(StatusWord.INCORRECT_DATA, "the card knows of a later day")
        _count(ctx.files.by_fid(layout.EF_TYPES), request.type)
        issue = Issue(last[0].number + 1 if last else 1, request)
        audit.append(issue.encode())
        return _statement(ctx, issue)


def _count(file: File, number: int) -> None:
    records = file.records
    if number not in _numbers(records):
        raise CardError(StatusWord.RECORD_NOT_FOUND, "no such type")
    position = [record[0] for record in records].index(number)
    found = _type(records[position])
    if not found.usable or not found.left:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "this type is blocked, or none is left")
    records[position] = CertificateType(number, found.left - 1).encode()
    file.write_records(records)


def _statement(ctx: Context, issue: Issue) -> ResponseAPDU:
    key = ctx.key_pairs.by_reference(layout.KEY).private_key()
    signature = sign(key, issue.message(bytes(ctx.entry.aid)))
    return ResponseAPDU(issue.number.to_bytes(4) + signature)


def _numbers(records: list[bytes]) -> set[int]:
    return {record[0] for record in records}


def _type(record: bytes) -> CertificateType:
    try:
        return CertificateType.parse(record)
    except VendingError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
