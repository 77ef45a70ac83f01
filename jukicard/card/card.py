"""The chip: bytes in, bytes out.

Every command goes the same way, in this order: class byte and logical channel, command chaining, secure messaging,
instruction, P1-P2, length, life cycle and access rule, handler, commit, secure messaging, response chaining.
`Card.transmit` is the only place that turns exceptions into status words.
"""

from __future__ import annotations

from dataclasses import replace

from jukicard.card.applet import Rom
from jukicard.card.context import Services
from jukicard.card.dispatch import Dispatch
from jukicard.card.errors import CardError, StoreError
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import ISSUER_DOMAIN
from jukicard.card.store import Store
from jukicard.card.volatile import Channel, Volatile
from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.iso7816.status import StatusWord

ATR = {
    Interface.CONTACT: bytes.fromhex("3BE000FF8131FE4514"),
    Interface.CONTACTLESS: bytes.fromhex("3B888001000014E0B38191005E"),
}
"""The answers to reset of real Juki cards, contact and (as PC/SC shows a type B card) contactless."""

MAX_CHAINED = 65535
MAX_RESPONSE = 65533
_GET_RESPONSE = 0xC0


class NotPoweredError(RuntimeError):
    """A command was sent to a chip that has no power: a fault of the program, not of the card."""


class Card:
    """A chip with its store, its ROM and its ports.

    It must be powered on before it answers.  `transmit` never raises for any bytes whatever, and answers two bytes at
    least.
    """

    def __init__(self, store: Store, rom: Rom, ports: Ports) -> None:
        self._store = store
        self._rom = rom
        self._ports = ports
        self._services: Services | None = None

    def power_on(self, interface: Interface = Interface.CONTACT) -> bytes:
        """Power the chip up on one of its interfaces and return its answer to reset."""
        self._services = Services(self._ports, self._rom, interface, Volatile.at_reset(ISSUER_DOMAIN))
        return ATR[interface]

    def power_off(self) -> None:
        """Take the power away; all that is volatile is gone."""
        self._services = None

    def reset(self) -> bytes:
        """Reset the powered chip (all that is volatile is gone) and return its answer to reset."""
        return self.power_on(self._powered().interface)

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU with one response APDU."""
        services = self._powered()
        try:
            response = self._answer(command, services).encode()
        except CardError as error:
            self._ports.observer.refusal(error.reason)
            response = error.sw.to_bytes(2)
        except StoreError as error:
            self._forget(services, str(error))
            response = StatusWord.MEMORY_FAILURE.to_bytes(2)
        except Exception as error:
            self._forget(services, f"a bug: {type(error).__name__}")
            if self._ports.strict:
                raise
            response = StatusWord.INTERNAL_ERROR.to_bytes(2)
        self._ports.observer.exchange(command, response)
        return response

    def _powered(self) -> Services:
        if self._services is None:
            raise NotPoweredError("the chip has no power; call power_on first")
        return self._services

    def _forget(self, services: Services, reason: str) -> None:
        services.volatile = Volatile.at_reset(ISSUER_DOMAIN)
        self._ports.observer.refusal(reason)

    def _answer(self, raw: bytes, services: Services) -> ResponseAPDU:
        try:
            cmd = CommandAPDU.parse(raw)
        except ApduError as error:
            raise CardError(StatusWord.WRONG_LENGTH, str(error)) from None
        cla = ClassByte.parse(cmd.cla)
        channel = _channel(cla, services)
        if cmd.ins == _GET_RESPONSE and cla.interindustry and cla.secure_messaging is SecureMessaging.NONE:
            return self._get_response(replace(cmd, cla=cla.plain), channel, services)
        channel.pending = b""
        dispatch = Dispatch(services, self._store, channel)
        whole = _collect(cmd, cla, channel, dispatch)
        if whole is None:
            return ResponseAPDU()
        return _deliver(
            dispatch.run(whole, cla), cmd, channel, secured=cla.secure_messaging is not SecureMessaging.NONE
        )

    def _get_response(self, cmd: CommandAPDU, channel: Channel, services: Services) -> ResponseAPDU:
        response = Dispatch(services, self._store, channel).run(cmd, ClassByte.parse(cmd.cla))
        channel.pending = b""
        return _deliver(response, cmd, channel, secured=False)


def _channel(cla: ClassByte, services: Services) -> Channel:
    if cla.invalid or cla.reserved:
        raise CardError(StatusWord.CLA_NOT_SUPPORTED, "a class byte that no standard defines")
    channels = services.volatile.channels
    channel = channels[cla.channel] if cla.channel < len(channels) else None
    if channel is None:
        raise CardError(StatusWord.CHANNEL_NOT_SUPPORTED, f"logical channel {cla.channel} is not open")
    if cla.secure_messaging not in (SecureMessaging.NONE, SecureMessaging.PROPRIETARY):
        raise CardError(StatusWord.SM_NOT_SUPPORTED, "only GlobalPlatform's form of secure messaging is known")
    return channel


def _collect(cmd: CommandAPDU, cla: ClassByte, channel: Channel, dispatch: Dispatch) -> CommandAPDU | None:
    """Return the whole command, or None while links of its chain are still to come.

    A command that is not the chain's continuation abandons the chain and is taken for itself: a host that died in mid-
    chain leaves nothing behind for the next one.
    """
    partial, channel.partial = channel.partial, None
    header = (cmd.cla & ~0x10 if cla.chaining else cmd.cla, cmd.ins, cmd.p1, cmd.p2)
    if partial is not None and (partial.cla, partial.ins, partial.p1, partial.p2) == header:
        size = len(partial.data) + len(cmd.data)
        if size > MAX_CHAINED:
            raise CardError(StatusWord.WRONG_LENGTH, f"a chain of more than {MAX_CHAINED} bytes")
        cmd = replace(cmd, cla=header[0], data=partial.data + cmd.data, extended=size > 255)
    elif cla.chaining:
        cmd = replace(cmd, cla=header[0])
        dispatch.route(replace(cmd, cla=cla.plain), None)
    if not cla.chaining:
        return cmd
    channel.partial = cmd
    return None


def _deliver(response: ResponseAPDU, cmd: CommandAPDU, channel: Channel, *, secured: bool) -> ResponseAPDU:
    """Return as much of a response as Le takes, and keep the rest for GET RESPONSE.

    An absent Le takes all that fits the form.  In a session Le counts the plain data, so that only the form limits the
    response.
    """
    limit = 65536 if cmd.extended else 256
    if cmd.ne is not None and not secured:
        limit = cmd.ne
    limit = min(limit, MAX_RESPONSE)
    if len(response.data) <= limit:
        return response
    channel.pending = response.data[limit:]
    channel.pending_sw = response.sw
    return ResponseAPDU(response.data[:limit], StatusWord.with_available(min(len(channel.pending), 256)))
