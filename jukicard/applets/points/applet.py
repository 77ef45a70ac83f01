"""Community points on the chip: a purse that moves by signed orders, and by payments from card to card."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.points import layout
from jukicard.applets.points import rules as access
from jukicard.applets.points.exchange import ExchangeCommands
from jukicard.applets.points.records import Held, Member, Order, PointsError, Purse, Received
from jukicard.applets.points.state import PurseState, check_signature, not_genuine, purse_file, refused
from jukicard.applets.service.applet import MunicipalService
from jukicard.applets.service.rules import KEY_PAIR, PASSWORD
from jukicard.card.commands import PROPRIETARY, On, command, data, only
from jukicard.card.context import Context
from jukicard.card.files.commands import ReadBinary
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.security.key_commands import KeyPairCommands
from jukicard.card.security.keypairs import KeyPairSpec
from jukicard.card.security.password_commands import PasswordCommands
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point, encode_point
from jukicard.securechannel.signatures import SIGNATURE_SIZE

_NONE = AccessRules()
_FILES = tuple(
    FileSpec(fid, FileKind.TRANSPARENT, _NONE, rules, sfi=fid, size=size)
    for fid, rules, size in (
        (layout.EF_MEMBER, access.MEMBER, Member.SIZE),
        (layout.EF_CENTRE, access.MEMBER, layout.POINT_SIZE),
        (layout.EF_PURSE, access.PURSE, Purse.SIZE),
        (layout.EF_PAYMENT, access.PAYMENTS, Held.SIZE),
        (layout.EF_RECEIVED, access.PAYMENTS, Received.SIZE * layout.MAX_RECEIVED),
    )
)
_PASSWORD = PasswordSpec(
    layout.PASSWORD, _NONE, PASSWORD, layout.PASSWORD_DIGITS, layout.PASSWORD_DIGITS, layout.PASSWORD_TRIES
)
_KEY = KeyPairSpec(layout.KEY, _NONE, KEY_PAIR)
_ORDER_SIZE = Order.SIZE + SIGNATURE_SIZE


class PointsApplet(ExchangeCommands, ReadBinary, PasswordCommands, KeyPairCommands, MunicipalService):
    """Community points."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.MODULE
    label: ClassVar[str] = "Points"

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create the files, the password and the place of the key pair."""
        super().install(ctx, parameters)
        for spec in _FILES:
            ctx.files.create(spec, LifeCycle.ACTIVATED)
        ctx.passwords.create(_PASSWORD, LifeCycle.ACTIVATED)
        ctx.key_pairs.create(_KEY, LifeCycle.ACTIVATED)

    def store_data(self, ctx: Context, block: bytes) -> None:
        """Take the purse's limit (4 bytes), the centre's key (65) and its signature of this card's membership (member's
        number, key, signature: 137), once; the same member again is taken as well, and changes nothing.

        The key in the membership must be the card's own, and the signature must be the centre's (6A80).
        """
        member = ctx.files.by_fid(layout.EF_MEMBER)
        point = encode_point(ctx.key_pairs.by_reference(layout.KEY).private_key().public_key())
        start = 4 + layout.POINT_SIZE
        limit, centre = int.from_bytes(block[:4]), block[4:start]
        try:
            found = Member.parse(block[start:])
            check_signature(decode_point(centre), found.signature, found.message)
        except (PointsError, KeyAgreementError) as error:
            raise not_genuine(str(error)) from None
        if found.point != point or not any(found.number) or not limit:
            raise not_genuine("not a membership of this card, with a limit")
        if any(member.content):
            known = Member.parse(member.content)
            if known.number != found.number or ctx.files.by_fid(layout.EF_CENTRE).content != centre:
                raise refused("the purse has a member already")
            return
        member.write(found.encode())
        ctx.files.by_fid(layout.EF_CENTRE).write(centre)
        ctx.files.by_fid(layout.EF_PURSE).write(Purse(limit=limit).encode())

    @command(
        PROPRIETARY,
        ins=layout.INS_ORDER,
        p1=only(layout.CREDIT, layout.DEBIT),
        length=data(_ORDER_SIZE, _ORDER_SIZE),
        access=On(purse_file, None, "EF.PURSE, to credit or debit"),
        writes=True,
        spec="docs/services.md, community points",
    )
    def carry_out_order(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Credit (P1 = 01) or debit (02) what the centre has signed for this card, and answer a receipt: the balance (4
        bytes) and the card's signature (64).

        6A80: not the centre's, or not for this card; 6985: not the next in sequence, or against balance or limit.  The
        order that was done last is answered the same again, and not done again.
        """
        state = PurseState(ctx)
        try:
            order = Order.parse(cmd.p1, cmd.data[: Order.SIZE])
        except PointsError as error:
            raise not_genuine(str(error)) from None
        check_signature(state.centre, cmd.data[Order.SIZE :], order.message(state.member.number))
        purse = state.purse
        if order != purse.last:
            if order.sequence != purse.sequence + 1:
                raise refused("not the next order in sequence")
            change = order.amount if cmd.p1 == layout.CREDIT else -order.amount
            if change > state.room or purse.balance + change < 0:
                raise refused("against the balance, or the limit")
            balance = purse.balance + change
            purse = replace(purse, balance=balance, balance_then=balance, last=order)
            state.write(purse)
        signature = state.sign(order.receipt(state.member.number, purse.balance_then))
        return ResponseAPDU(purse.balance_then.to_bytes(4) + signature)
