"""MANAGE SECURITY ENVIRONMENT (ISO/IEC 7816-4, security environments), for any applet with keys that are chosen before
they are used.

An environment is volatile and belongs to the logical channel and to the session under which it was set: a command of
another session, or one in the clear beside a session, neither sees nor changes what holds in that session.
"""

from __future__ import annotations

from collections.abc import Iterable

from jukicard.card.commands import ANY, FREE, INTERINDUSTRY, NO_DATA, command, data, only
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.dataobjects import DataObjects
from jukicard.card.volatile import Environment
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs

AUTHENTICATION, SIGNATURE = 0xA4, 0xB6
"""Control reference templates."""

VERIFICATION, COMPUTATION = 0x80, 0x40
"""Usage qualifier (DO 95), and bits 8 and 7 of P1: external authentication; internal authentication, signing."""

ENVIRONMENT_TEMPLATE = 0x7B
"""The data object that holds the environment for RESTORE: {80 number, templates}."""

_SPEC = "ISO/IEC 7816-4, security environments"


def current_key(ctx: Context, template: int, usage: int) -> int | None:
    """Return the reference of the key that the command's environment names for a template and a usage, or None."""
    environment = ctx.channel.environment
    if environment is None or environment.session is not ctx.session:
        return None
    return environment.keys.get((template, usage))


class EnvironmentCommands:
    """MANAGE SECURITY ENVIRONMENT: SET and RESTORE."""

    @command(
        INTERINDUSTRY,
        ins=0x22,
        p1=only(0x41, 0x81, 0xC1),
        p2=only(AUTHENTICATION, SIGNATURE),
        length=data(3, 3),
        access=FREE,
        writes=False,
        spec=_SPEC,
        name="MANAGE SECURITY ENVIRONMENT (SET)",
    )
    def set_environment(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Name a key (83 or 84) for authentication (P2 = A4) or signatures (B6).  6A88 where there is no such key."""
        keys = _named_keys(ctx, cmd.p2, _objects(cmd.data), cmd.p1)
        old = ctx.channel.environment
        kept = old.keys if old is not None and old.session is ctx.session else {}
        _enter(ctx, {**kept, **keys})
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x22,
        p1=only(0xF3),
        p2=ANY,
        length=NO_DATA,
        access=FREE,
        writes=False,
        spec=_SPEC,
        name="MANAGE SECURITY ENVIRONMENT (RESTORE)",
    )
    def restore_environment(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Replace the environment: P2 = 00 by the empty one, else by that of data object 7B, which has that number
        (6A88).
        """
        keys: dict[tuple[int, int], int] = {}
        if cmd.p2:
            number, *templates = _objects(DataObjects(ctx.area).read(ENVIRONMENT_TEMPLATE))
            if (number.tag, number.value) != (0x80, bytes((cmd.p2,))):
                raise CardError(StatusWord.REFERENCE_NOT_FOUND, f"no security environment {cmd.p2:02X}")
            for template in templates:
                keys |= _named_keys(ctx, template.tag, _objects(template.value), VERIFICATION | COMPUTATION)
        _enter(ctx, keys)
        return ResponseAPDU()


def _enter(ctx: Context, keys: dict[tuple[int, int], int]) -> None:
    environment = Environment(keys, ctx.session)
    ctx.on_success(lambda: setattr(ctx.channel, "environment", environment))


def _named_keys(ctx: Context, template: int, parts: Iterable[Tlv], usage: int) -> dict[tuple[int, int], int]:
    """Return the key that a control reference template names, for each usage; a usage qualifier 95 may narrow it."""
    match (template, *parts):
        case (_, Tlv(tag=0x83 | 0x84, value=name)) if len(name) == 1:
            pass
        case (_, Tlv(tag=0x83 | 0x84, value=name), Tlv(tag=0x95, value=narrow)) if len(name) == len(narrow) == 1:
            usage &= narrow[0]
        case _:
            raise CardError(StatusWord.INCORRECT_DATA, "a template names one key: 83 or 84, one byte")
    reference = name[0]
    if template == SIGNATURE:
        ctx.key_pairs.by_reference(reference)
    elif template == AUTHENTICATION:
        ctx.secret_keys.by_reference(reference)
    else:
        raise CardError(StatusWord.INCORRECT_DATA, f"template {template:02X} is not used here")
    return {(template, bit): reference for bit in (VERIFICATION, COMPUTATION) if usage & bit}


def _objects(encoded: bytes) -> tuple[Tlv, ...]:
    try:
        return parse_tlvs(encoded)
    except TlvError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
