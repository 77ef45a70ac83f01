"""The operator application on the chip: a password, a signature key that works with it only, and the card's life."""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp.layout import KID_SCP11A, KID_TERMINAL_ANCHOR, LOAD_FILE
from jukicard.applets.operator import layout, rules
from jukicard.applets.operator.records import SERIAL_SIZE, OperatorState, city_in
from jukicard.card.applet import Applet
from jukicard.card.commands import INTERINDUSTRY, NO_DATA, On, command, data, only
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import ReadBinary, UpdateBinary
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.root import Root
from jukicard.card.security.key_commands import KeyPairCommands
from jukicard.card.security.keypairs import KeyPair, KeyPairSpec
from jukicard.card.security.password_commands import PASSWORD_P2, PasswordCommands, find_password, target_password
from jukicard.card.security.passwords import PasswordSpec
from jukicard.card.volatile import Session
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.signatures import HASHED, sign

_FILES = tuple(
    FileSpec(fid, FileKind.TRANSPARENT, initial, operational, sfi=fid, size=size)
    for fid, initial, operational, size in (
        (layout.EF_CERTIFICATES, rules.CERTIFICATES_INITIAL, rules.CERTIFICATES, layout.CERTIFICATES_SIZE),
        (layout.EF_SERIAL, rules.SERIAL_INITIAL, rules.SERIAL, SERIAL_SIZE),
        (layout.EF_STATUS, rules.STATUS_INITIAL, rules.STATUS, 1),
    )
)
_PASSWORD = PasswordSpec(
    layout.PASSWORD,
    rules.PASSWORD_INITIAL,
    rules.PASSWORD,
    layout.PASSWORD_MINIMUM,
    layout.PASSWORD_MAXIMUM,
    layout.PASSWORD_TRIES,
    layout.PASSWORD_ALPHABET,
)
_KEY = KeyPairSpec(layout.SIGNATURE_KEY, rules.KEY_INITIAL, rules.KEY)
_DOMAIN_KEYS = frozenset((KID_TERMINAL_ANCHOR, KID_SCP11A))


def _root(cmd: CommandAPDU, ctx: Context) -> Root:
    return Root.of(ctx.area)


def _signature_key(cmd: CommandAPDU, ctx: Context) -> KeyPair:
    return ctx.key_pairs.by_reference(layout.SIGNATURE_KEY)


class OperatorApplet(ReadBinary, UpdateBinary, PasswordCommands, KeyPairCommands, Applet):
    """An operator's application.  Its secure channels are its domain's; its rules lie in its objects."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.OPERATOR_AID
    label: ClassVar[str] = "Operator"

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files, the password and the place of the key pair, all in personalisation."""
        super().install(ctx, parameters)
        Root.create(ctx.area, rules.APPLICATION_INITIAL, rules.APPLICATION)
        for spec in _FILES:
            ctx.files.create(spec, LifeCycle.INITIALISATION)
        ctx.passwords.create(_PASSWORD, LifeCycle.INITIALISATION)
        ctx.key_pairs.create(_KEY, LifeCycle.INITIALISATION)

    def file_control(self, ctx: Context) -> tuple[Tlv, ...]:
        """Return the life cycle status and the application's own access rules."""
        return Root.of(ctx.area).control()

    def rights(self, ctx: Context, session: Session) -> frozenset[int]:
        """Return the terminal's rights: all but the nationwide ones only if it is of the operator's municipality."""
        authorization = session.authorization
        city = city_in(ctx.files.by_fid(layout.EF_SERIAL).content)
        return frozenset(authorization.rights_in(city or "")) if authorization else frozenset()

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
        files = ctx.files
        if city_in(files.by_fid(layout.EF_SERIAL).content) is None:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "EF.SERIAL holds no operator card's serial")
        if not any(files.by_fid(layout.EF_CERTIFICATES).content):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "EF.CERTIFICATES is empty")
        ctx.key_pairs.by_reference(layout.SIGNATURE_KEY).private_key()
        if not ctx.domain_key_identifiers >= _DOMAIN_KEYS:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the domain lacks a channel key or its anchor")
        for file in list(files.all()):
            file.set_life_cycle(LifeCycle.ACTIVATED)
        self._move(ctx, LifeCycle.ACTIVATED, OperatorState.DELIVERED)
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0xE6,
        length=NO_DATA,
        access=On(_root, AccessMode.TERMINATE, "the application, to terminate"),
        writes=True,
        spec="ISO/IEC 7816-9, life cycle",
        name="TERMINATE DF (application)",
    )
    def terminate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Make the card void, for good: password and key can never be used again; the card still tells its serial."""
        self._move(ctx, LifeCycle.TERMINATED, OperatorState.VOID)
        ctx.channel.security.verified.discard(layout.PASSWORD)
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x24,
        p1=only(0x01),
        p2=PASSWORD_P2,
        length=data(1, 64),
        access=On(find_password, None, "the password, to set"),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
        name="CHANGE REFERENCE DATA (new only)",
    )
    def set_reference_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Set the first password, for a terminal with the right to, which makes the card active; from then on a new
        one of any length, for whoever has verified the old one (6985).
        """
        verified = ctx.channel.security.verified
        if target_password(ctx).is_set and layout.PASSWORD not in verified:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the password is set: verify it first")
        response = super().set_reference_data(cmd, ctx)
        verified.discard(layout.PASSWORD)
        self._set_state(ctx, OperatorState.ACTIVE)
        return response

    @command(
        INTERINDUSTRY,
        ins=0x2A,
        p1=only(0x9E),
        p2=only(0x9A),
        length=data(layout.HASH_SIZE, layout.HASH_SIZE),
        access=On(_signature_key, None, "the signature key, to use"),
        writes=False,
        spec="ISO/IEC 7816-8, digital signature",
        name="PERFORM SECURITY OPERATION (COMPUTE DIGITAL SIGNATURE)",
    )
    def compute_digital_signature(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Sign a SHA-256 hash, with the password verified in the session: ECDSA, r and s, 64 bytes."""
        key = _signature_key(cmd, ctx).private_key()
        return ResponseAPDU(sign(key, cmd.data, HASHED))

    def _move(self, ctx: Context, life_cycle: LifeCycle, state: OperatorState) -> None:
        """Move the application, its password and its key."""
        ctx.key_pairs.by_reference(layout.SIGNATURE_KEY).set_life_cycle(life_cycle)
        ctx.passwords.by_reference(layout.PASSWORD).set_life_cycle(life_cycle)
        Root.of(ctx.area).set_life_cycle(life_cycle)
        self._set_state(ctx, state)

    def _set_state(self, ctx: Context, state: OperatorState) -> None:
        ctx.files.by_fid(layout.EF_STATUS).write(bytes((state,)))
