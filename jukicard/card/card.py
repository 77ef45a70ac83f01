"""The chip: bytes in, bytes out.

Every command goes the same way, in this order: class byte and logical channel, command chaining, secure messaging,
instruction, P1-P2, length, life cycle and access rule, handler, commit, secure messaging, response chaining.
`Card.transmit` is the only place that turns exceptions into status words.
"""

from __future__ import annotations

from jukicard.card.code import Code, Rom
from jukicard.card.context import Services
from jukicard.card.dispatch import execute, find_row, run_secured
from jukicard.card.errors import CardError, Step, StoreError
from jukicard.card.explain import Refusal
from jukicard.card.memory import Memory
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import ISSUER_DOMAIN
from jukicard.card.routing import Routing
from jukicard.card.store import Store
from jukicard.card.volatile import Channel, Volatile
from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import CHAINING, CLASS_BYTES, ClassByte, SecureMessaging
from jukicard.iso7816.status import StatusWord

ATR = {
    Interface.CONTACT: bytes.fromhex("3BE000FF8131FE4514"),
    Interface.CONTACTLESS: bytes.fromhex("3B888001000014E0B38191005E"),
}
"""The answers to reset of real Juki cards, contact and (as PC/SC shows a type B card) contactless."""

MAX_CHAINED = 65535
MAX_RESPONSE = 65533
_GET_RESPONSE = 0xC0
_PLAIN = (0x00, 0x80)
_OK = StatusWord.OK.to_bytes(2)
_NO_MESSAGING = SecureMessaging.NONE  # looked up once: in an enumeration that takes ten times as long
_KNOWN_MESSAGING = (SecureMessaging.NONE, SecureMessaging.PROPRIETARY)


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
        code = Code(self._rom, self._store)
        routing, memory = Routing(self._store, code), Memory(self._store)
        volatile = Volatile.at_reset(ISSUER_DOMAIN)
        self._services = Services(self._ports, code, self._store, memory, routing, interface, volatile)
        return ATR[interface]

    def power_off(self) -> None:
        """Take the power away; all that is volatile is gone."""
        self._services = None

    def reset(self) -> bytes:
        """Reset the powered chip (all that is volatile is gone) and return its answer to reset."""
        return self.power_on(self._powered().interface)

    def transmit(self, command: bytes) -> bytes:
        """Answer one command APDU with one response APDU."""
        services = self._services
        if services is None:
            raise _no_power()
        services.row = services.refusal = None
        try:
            response = _answer(command, services)
        except CardError as error:
            response = self._refuse(services, Refusal(error.sw, error.step, error.reason, services.row, error.blame))
        except StoreError as error:
            response = self._forget(services, StatusWord.MEMORY_FAILURE, Step.STORE, str(error))
        except Exception as error:
            reason = f"a bug: {type(error).__name__}"
            response = self._forget(services, StatusWord.INTERNAL_ERROR, Step.COMMAND, reason)
            if self._ports.strict:
                raise
        if self._ports.observer is not None:
            self._ports.observer.exchange(command, response)
        return response

    @property
    def refusal(self) -> Refusal | None:
        """Why the last command was refused; None if it was not.  For the host of the emulator: no command tells it."""
        return self._powered().refusal

    def _powered(self) -> Services:
        if self._services is None:
            raise _no_power()
        return self._services

    def _forget(self, services: Services, sw: StatusWord, step: Step, reason: str) -> bytes:
        services.volatile = Volatile.at_reset(ISSUER_DOMAIN)
        return self._refuse(services, Refusal(sw, step, reason, services.row))

    def _refuse(self, services: Services, refusal: Refusal) -> bytes:
        services.refusal = refusal
        if self._ports.observer is not None:
            self._ports.observer.refusal(refusal.reason)
        return refusal.sw.to_bytes(2)


def _no_power() -> NotPoweredError:
    return NotPoweredError("the chip has no power; call power_on first")


def _answer(raw: bytes, services: Services) -> bytes:
    try:
        cmd = CommandAPDU.parse(raw)
    except ApduError as error:
        raise CardError(StatusWord.WRONG_LENGTH, str(error), Step.FORM) from None
    cla = CLASS_BYTES[cmd.cla]
    channel = services.volatile.basic if cmd.cla in _PLAIN else _channel(cla, services)
    secured = cla.secure_messaging is not _NO_MESSAGING
    if cmd.ins == _GET_RESPONSE and cla.interindustry and not secured and not cla.chaining:
        channel.partial = None
        return _get_response(cmd, cla, channel, services)
    channel.pending = b""
    in_chain = cla.chaining or channel.partial is not None
    whole = _collect(cmd, cla, channel, services) if in_chain else cmd
    if whole is None:
        return _OK
    if secured:
        response = run_secured(whole, cla, channel, services)
    else:
        response = execute(whole.in_class(cla.plain), None, channel, services)
    return _deliver(response, cmd, channel, secured=secured)


def _get_response(cmd: CommandAPDU, cla: ClassByte, channel: Channel, services: Services) -> bytes:
    response = execute(cmd.in_class(cla.plain), None, channel, services)
    channel.pending = b""
    return _deliver(response, cmd, channel, secured=False)


def _channel(cla: ClassByte, services: Services) -> Channel:
    if cla.invalid or cla.reserved:
        raise CardError(StatusWord.CLA_NOT_SUPPORTED, "a class byte that no standard defines", Step.CHANNEL)
    channels = services.volatile.channels
    channel = channels[cla.channel] if cla.channel < len(channels) else None
    if channel is None:
        reason = f"logical channel {cla.channel} is not open"
        raise CardError(StatusWord.CHANNEL_NOT_SUPPORTED, reason, Step.CHANNEL)
    if cla.secure_messaging not in _KNOWN_MESSAGING:
        reason = "only GlobalPlatform's form of secure messaging is known"
        raise CardError(StatusWord.SM_NOT_SUPPORTED, reason, Step.SECURE_MESSAGING)
    return channel


def _collect(cmd: CommandAPDU, cla: ClassByte, channel: Channel, services: Services) -> CommandAPDU | None:
    """Return the whole command, or None while links of its chain are still to come.

    A command that is not the chain's continuation abandons the chain and is taken for itself: a host that died in mid-
    chain leaves nothing behind for the next one.
    """
    partial, channel.partial = channel.partial, None
    header = (cmd.cla & ~CHAINING, cmd.ins, cmd.p1, cmd.p2)
    if partial is not None and partial[:4] == header:
        size = len(partial.data) + len(cmd.data)
        if size > MAX_CHAINED:
            raise CardError(StatusWord.WRONG_LENGTH, f"a chain of more than {MAX_CHAINED} bytes", Step.CHAINING)
        cmd = cmd._replace(cla=header[0], data=partial.data + cmd.data, extended=size > 255)
    elif cla.chaining:
        cmd = cmd.in_class(header[0])
        find_row(cmd.in_class(cla.plain), None, channel, services)
    if not cla.chaining:
        return cmd
    channel.partial = cmd
    return None


def _deliver(response: ResponseAPDU, cmd: CommandAPDU, channel: Channel, *, secured: bool) -> bytes:
    """Return as much of a response as Le takes, and keep the rest for GET RESPONSE.

    An absent Le takes all that fits the form.  In a session Le counts the plain data, so that only the form limits the
    response.
    """
    data, sw = response
    limit = MAX_RESPONSE if cmd.extended else 256
    ne = cmd.ne
    if ne is not None and ne < limit and not secured:
        limit = ne
    if len(data) > limit:
        channel.pending = data[limit:]
        channel.pending_sw = sw
        data, sw = data[:limit], StatusWord.with_available(len(channel.pending))
    return data + sw.to_bytes(2)
