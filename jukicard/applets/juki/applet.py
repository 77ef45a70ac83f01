"""The Juki application on the chip: the resident code, a password, an authentication key, and the card's life as the
municipality sees it.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.gp.layout import KID_SCP11A, KID_SCP11B, KID_TERMINAL_ANCHOR, LOAD_FILE
from jukicard.applets.juki import layout, rules
from jukicard.applets.juki.records import (
    CardData,
    CardState,
    CardStatus,
    RecordError,
    authentication_message,
    city_in,
    expiry_in,
    is_city_code,
    is_resident_code,
)
from jukicard.card.applet import Applet, out_of_life
from jukicard.card.commands import INTERINDUSTRY, NO_DATA, Guarded, On, command, data, only
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import CompareBinary, ReadBinary, UpdateBinary
from jukicard.card.files.structures import File, FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.root import Root
from jukicard.card.security.key_commands import KeyPairCommands
from jukicard.card.security.keypairs import KeyPair, KeyPairSpec
from jukicard.card.security.password_commands import PASSWORD_P2, PasswordCommands, find_password, target_password
from jukicard.card.security.passwords import Password, PasswordSpec
from jukicard.card.volatile import Session
from jukicard.iso7816.access import AccessMode
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.authorization import ANY_MUNICIPALITY
from jukicard.securechannel.signatures import sign

_FILES = (
    FileSpec(
        layout.EF_CODE,
        FileKind.TRANSPARENT,
        rules.CODE_INITIAL,
        rules.CODE,
        sfi=0x01,
        size=layout.CODE_SIZE,
        compare_tries=layout.COMPARE_TRIES,
    ),
    FileSpec(
        layout.EF_CERTIFICATES,
        FileKind.TRANSPARENT,
        rules.CERTIFICATES_INITIAL,
        rules.CERTIFICATES,
        sfi=0x02,
        size=layout.CERTIFICATES_SIZE,
    ),
    FileSpec(layout.EF_CARD, FileKind.TRANSPARENT, rules.CARD_INITIAL, rules.CARD, sfi=0x06, size=CardData.SIZE),
    FileSpec(
        layout.EF_STATUS, FileKind.TRANSPARENT, rules.STATUS_INITIAL, rules.STATUS, sfi=0x07, size=CardStatus.SIZE
    ),
)
_PASSWORD = PasswordSpec(
    layout.PASSWORD,
    rules.PASSWORD_INITIAL,
    rules.PASSWORD,
    layout.PASSWORD_DIGITS,
    layout.PASSWORD_DIGITS,
    layout.PASSWORD_TRIES,
)
_DOMAIN_KEYS = frozenset((KID_TERMINAL_ANCHOR, KID_SCP11A, KID_SCP11B))
_KEY = KeyPairSpec(layout.AUTHENTICATION_KEY, rules.KEY_INITIAL, rules.KEY)


def _root(cmd: CommandAPDU, ctx: Context) -> Root:
    return Root.of(ctx.area)


def _key_pair(cmd: CommandAPDU, ctx: Context) -> KeyPair:
    return ctx.key_pairs.by_reference(cmd.p2)


def _status_file(cmd: CommandAPDU, ctx: Context) -> File:
    return ctx.files.by_fid(layout.EF_STATUS)


def _target_key_pair(ctx: Context) -> KeyPair:
    target = ctx.target
    assert isinstance(target, KeyPair)  # noqa: S101  the locators of key pairs return nothing else
    return target


class JukiApplet(ReadBinary, UpdateBinary, CompareBinary, PasswordCommands, KeyPairCommands, Applet):
    """住基AP.  Its secure channels are its domain's; every rule but those of free commands lies in its objects."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.JUKI_AID
    label: ClassVar[str] = "Juki"

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
        """Return the terminal's rights: the nationwide ones, and the others if it is the card's own municipality's."""
        authorization = session.authorization
        return frozenset(authorization.rights_in(self._municipality(ctx) or "")) if authorization else frozenset()

    def check_life_cycle(self, ctx: Context, target: Guarded, mode: AccessMode | None) -> None:
        """Refuse (6985) what the object's state does not allow; the code and the password also once the card has
        expired.
        """
        super().check_life_cycle(ctx, target, mode)
        guarded = isinstance(target, Password) or (isinstance(target, File) and target.fid == layout.EF_CODE)
        if guarded and self._has_expired(ctx):
            raise out_of_life("the card has expired", target)

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
        """Close personalisation, one way; or resume a suspended card.

        6985 in any other state, or while something is missing.
        """
        root = Root.of(ctx.area)
        if root.header.life_cycle is LifeCycle.INITIALISATION:
            self._check_complete(ctx)
            state = CardState.DELIVERED_LOCKED
        elif root.header.life_cycle is LifeCycle.DEACTIVATED:
            state = CardState.ACTIVE
        else:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is activated already")
        self._move_all(ctx, LifeCycle.ACTIVATED)
        self._set_state(ctx, state)
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x04,
        length=NO_DATA,
        access=On(_root, AccessMode.DEACTIVATE, "the application, to deactivate"),
        writes=True,
        spec="ISO/IEC 7816-9, life cycle",
        name="DEACTIVATE FILE (application)",
    )
    def deactivate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Suspend an active card (一時停止): the code and the password cannot be used until it is resumed."""
        if self._status(ctx).state is not CardState.ACTIVE:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "only an active card is suspended")
        self._move_guarded(ctx, LifeCycle.DEACTIVATED)
        self._set_state(ctx, CardState.SUSPENDED)
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
        """Make the card void, for good: the code and the password can never be used again."""
        self._move_guarded(ctx, LifeCycle.TERMINATED)
        self._set_state(ctx, CardState.VOID)
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x24,
        p1=only(0x01),
        p2=PASSWORD_P2,
        length=data(1, 64),
        access=On(find_password, None, "the password, to set for the first time"),
        writes=True,
        spec="ISO/IEC 7816-4, basic security handling",
        name="CHANGE REFERENCE DATA (initial password)",
    )
    def set_reference_data(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Set the holder's first password at the counter, which makes a card that was delivered locked active.

        6985 if it is set.
        """
        if target_password(ctx).is_set:
            raise CardError(
                StatusWord.CONDITIONS_NOT_SATISFIED, "the password has been set; it is changed or reset now"
            )
        response = super().set_reference_data(cmd, ctx)
        self._set_state(ctx, CardState.ACTIVE)
        return response

    @command(
        INTERINDUSTRY,
        ins=0xDA,
        p1=only(layout.MOVE_TAG >> 8),
        p2=only(layout.MOVE_TAG & 0xFF),
        length=data(5, 5),
        access=On(_status_file, None, "EF.STATUS, to enter a new municipality"),
        writes=True,
        spec="ISO/IEC 7816-4, data object handling",
        name="PUT DATA (new municipality)",
    )
    def move(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Enter the municipality that takes the card over after its holder moved (継続利用): the terminal's own.

        6985 unless the card is active, 6982 for any other municipality than the terminal's.
        """
        status = self._status(ctx)
        if status.state is not CardState.ACTIVE:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "only an active card moves along")
        text = cmd.data.decode("ascii", "replace")
        if not is_city_code(text):
            raise CardError(StatusWord.INCORRECT_DATA, "a municipality code has 5 digits")
        authorization = ctx.session.authorization if ctx.session else None
        if authorization is None or authorization.municipality not in (text, ANY_MUNICIPALITY):
            raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "a terminal takes cards over for its own municipality")
        ctx.files.by_fid(layout.EF_STATUS).write(CardStatus(status.state, text).encode())
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x88,
        p2=only(layout.AUTHENTICATION_KEY),
        length=data(layout.MINIMUM_CHALLENGE, 255),
        access=On(_key_pair, None, "the authentication key, to use"),
        writes=False,
        spec="ISO/IEC 7816-4, basic security handling",
    )
    def internal_authenticate(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Sign a terminal's challenge of 16 bytes or more: ECDSA over a prefix of this protocol and the challenge, r
        and s, 64 bytes.
        """
        key = _target_key_pair(ctx).private_key()
        return ResponseAPDU(sign(key, authentication_message(cmd.data)))

    def _check_complete(self, ctx: Context) -> None:
        """Refuse to close (6985) a personalisation in which something is missing or malformed."""
        files = ctx.files
        try:
            CardData.parse(files.by_fid(layout.EF_CARD).content)
        except RecordError as error:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"EF.CARD: {error}") from None
        if not is_resident_code(files.by_fid(layout.EF_CODE).content):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "EF.CODE holds no resident code")
        if not any(files.by_fid(layout.EF_CERTIFICATES).content):
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "EF.CERTIFICATES is empty")
        ctx.key_pairs.by_reference(layout.AUTHENTICATION_KEY).check_generated()
        if not ctx.domain_key_identifiers >= _DOMAIN_KEYS:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the domain lacks a channel key or its anchor")

    def _move_all(self, ctx: Context, life_cycle: LifeCycle) -> None:
        for file in list(ctx.files.all()):
            file.set_life_cycle(life_cycle)
        ctx.key_pairs.by_reference(layout.AUTHENTICATION_KEY).set_life_cycle(life_cycle)
        ctx.passwords.by_reference(layout.PASSWORD).set_life_cycle(life_cycle)
        Root.of(ctx.area).set_life_cycle(life_cycle)

    def _move_guarded(self, ctx: Context, life_cycle: LifeCycle) -> None:
        """Move the application and what it guards; the card still tells who and in which state it is."""
        ctx.files.by_fid(layout.EF_CODE).set_life_cycle(life_cycle)
        ctx.passwords.by_reference(layout.PASSWORD).set_life_cycle(life_cycle)
        Root.of(ctx.area).set_life_cycle(life_cycle)
        ctx.channel.security.verified.discard(layout.PASSWORD)

    def _status(self, ctx: Context) -> CardStatus:
        return CardStatus.parse(ctx.files.by_fid(layout.EF_STATUS).content)

    def _set_state(self, ctx: Context, state: CardState) -> None:
        status = CardStatus(state, self._status(ctx).moved_to)
        ctx.files.by_fid(layout.EF_STATUS).write(status.encode())

    def _municipality(self, ctx: Context) -> str | None:
        """Return the code of the municipality that the card belongs to now, or None before it is personalised."""
        files = ctx.files
        return city_in(files.by_fid(layout.EF_STATUS).content, files.by_fid(layout.EF_CARD).content)

    def _has_expired(self, ctx: Context) -> bool:
        """Return whether the domain's estimate of the date, the only one that the chip has, lies beyond the expiry."""
        estimate, expiry = ctx.date_estimate, expiry_in(ctx.files.by_fid(layout.EF_CARD).content)
        return estimate is not None and expiry is not None and estimate > expiry
