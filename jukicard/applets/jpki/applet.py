"""The JPKI application on the chip: certificates, two passwords, one or two RSA keys that work with them only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.jpki import layout, rules
from jukicard.applets.jpki.layout import CREDENTIALS, PROFILES, Credential, Form
from jukicard.applets.jpki.records import RecordError, profile_in
from jukicard.applets.jpki.signing import sign, takes
from jukicard.card.applet import Applet
from jukicard.card.commands import INTERINDUSTRY, NO_DATA, PROPRIETARY, On, command, data, span, where
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import ReadBinary, UpdateBinary
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.root import Root
from jukicard.card.security.internal_files import InternalPasswords, internal_reference
from jukicard.card.security.key_commands import KeyPairCommands
from jukicard.card.security.keypairs import KeyAlgorithm, KeyPair, KeyPairSpec
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import AccessMode, AccessRules
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv

_KEY_P2 = where(lambda p2: p2 == 0 or 0x80 <= p2 <= 0x9E, "00 the signature key, 80 the current EF, 81-9E SFI")


def _root(cmd: CommandAPDU, ctx: Context) -> Root:
    return Root.of(ctx.area)


def _key(cmd: CommandAPDU, ctx: Context) -> KeyPair:
    reference = internal_reference(ctx, cmd.p2) if cmd.p2 else layout.DEFAULT_KEY
    return ctx.key_pairs.by_reference(reference)


class JpkiApplet(ReadBinary, UpdateBinary, InternalPasswords, KeyPairCommands, Applet):
    """A JPKI application.  It knows its domain's SCP03, for personalisation; whoever uses it speaks in the clear."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.JPKI_AID
    label: ClassVar[str] = "JPKI"
    forwarded: ClassVar[frozenset[int]] = frozenset((0x50, 0x82))
    end_of_file: ClassVar[StatusWord] = StatusWord.OK

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files, passwords and places of the keys of a profile, all in personalisation."""
        try:
            usages = PROFILES[profile_in(parameters)]
        except RecordError as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        Root.create(ctx.area, rules.APPLICATION_INITIAL, rules.APPLICATION)
        credentials = tuple(CREDENTIALS[usage] for usage in usages)
        for spec in _files(credentials):
            ctx.files.create(spec, LifeCycle.INITIALISATION)
        for one in CREDENTIALS.values():
            ctx.passwords.create(_password(one), LifeCycle.INITIALISATION)
        for one in credentials:
            ctx.key_pairs.create(_key_pair(one), LifeCycle.INITIALISATION)

    def file_control(self, ctx: Context) -> tuple[Tlv, ...]:
        """Return the life cycle status and the application's own access rules."""
        return Root.of(ctx.area).control()

    @command(
        INTERINDUSTRY,
        ins=0x44,
        length=NO_DATA,
        access=On(_root, AccessMode.ACTIVATE, "the application, to activate"),
        writes=True,
        spec="ISO/IEC 7816-9, life cycle",
        name="ACTIVATE FILE (application)",
    )
    def activate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Close personalisation, one way.  6985 while something is missing."""
        files = list(ctx.files.all())
        transparent = (file for file in files if file.kind is FileKind.TRANSPARENT)
        if any(not any(file.content) for file in transparent):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "an EF is empty")
        for credential in CREDENTIALS.values():
            has_key = any(file.fid == credential.key for file in files)
            password = ctx.passwords.by_reference(credential.password_reference)
            if has_key and not password.is_set:
                raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "a password is not set")
            password.set_life_cycle(LifeCycle.ACTIVATED)
            if has_key:
                key = ctx.key_pairs.by_reference(credential.key_reference)
                key.check_generated()
                key.set_life_cycle(LifeCycle.ACTIVATED)
        for file in files:
            file.set_life_cycle(LifeCycle.ACTIVATED)
        Root.of(ctx.area).set_life_cycle(LifeCycle.ACTIVATED)
        return ResponseAPDU()

    @command(
        PROPRIETARY,
        ins=0x2A,
        p1=span(Form.VERBATIM, Form.PSS),
        p2=_KEY_P2,
        length=data(1),
        access=On(_key, None, "the key, to sign with"),
        writes=False,
        spec="JICSAP IC card specification; ISO/IEC 7816-8, digital signature",
        name="COMPUTE DIGITAL SIGNATURE",
    )
    def compute_digital_signature(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Sign, with the key's password verified: 256 bytes.  P1 says what is done with the data before.  6700 for data
        of a length that the form does not take.
        """
        form, key = Form(cmd.p1), ctx.target
        assert isinstance(key, KeyPair)  # noqa: S101  the row's locator returns nothing else
        if not takes(form, len(cmd.data)):
            raise CardError(StatusWord.WRONG_LENGTH, f"{form.name} does not take {len(cmd.data)} bytes")
        return ResponseAPDU(sign(key.rsa_private_key(), form, cmd.data))


def _password(credential: Credential) -> PasswordSpec:
    return PasswordSpec(
        credential.password_reference,
        rules.PASSWORD_INITIAL,
        rules.password(credential),
        credential.minimum,
        credential.maximum,
        credential.tries,
        credential.alphabet,
    )


def _key_pair(credential: Credential) -> KeyPairSpec:
    return KeyPairSpec(credential.key_reference, rules.KEY_INITIAL, rules.key(credential), KeyAlgorithm.RSA_2048)


def _files(credentials: tuple[Credential, ...]) -> Iterator[FileSpec]:
    yield _transparent(layout.EF_TOKEN, rules.FREE, layout.TOKEN_SIZE)
    yield _transparent(layout.EF_PRESENCE, rules.FREE, layout.PRESENCE_SIZE)
    for one in CREDENTIALS.values():
        yield _transparent(one.certificate, rules.certificate(one), layout.CERTIFICATE_SIZE)
        yield _transparent(one.ca_certificate, rules.FREE, layout.CERTIFICATE_SIZE)
    for fid in (*(one.key for one in credentials), *(one.password for one in CREDENTIALS.values())):
        yield FileSpec(fid, FileKind.INTERNAL, rules.INTERNAL, rules.INTERNAL, sfi=fid)


def _transparent(fid: int, operational: AccessRules, size: int) -> FileSpec:
    return FileSpec(fid, FileKind.TRANSPARENT, rules.FILE_INITIAL, operational, sfi=fid, size=size)
