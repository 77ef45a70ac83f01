"""The chip: bytes in, bytes out.

Every command goes the same way, in this order: class byte and logical channel, command chaining, secure messaging,
instruction, P1-P2, length, life cycle and access rule, handler, commit, secure messaging, response chaining.
`Card.transmit` is the only place that turns exceptions into status words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jukicard.card.applet import Applet, Rom
from jukicard.card.commands import Row
from jukicard.card.context import Context, DomainContext, Services
from jukicard.card.errors import CardError, StoreError
from jukicard.card.ports import Interface, Ports
from jukicard.card.registry import ISSUER_DOMAIN, CardState, Entry, Registry
from jukicard.card.store import Store
from jukicard.card.system_commands import System
from jukicard.card.transaction import Transaction
from jukicard.card.volatile import Channel, Session, Volatile
from jukicard.iso7816.apdu import ApduError, CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import SecureMessagingError

ATR = {
    Interface.CONTACT: bytes.fromhex("3BE000FF8131FE4514"),
    Interface.CONTACTLESS: bytes.fromhex("3B8880010000 14E0B38191005E"),
}
"""The answers to reset of real Juki cards, contact and (as PC/SC shows a type B card) contactless."""

MAX_CHAINED = 65535
MAX_RESPONSE = 65533
_EXTERNAL_AUTHENTICATE = 0x82
_SELECT, _GET_RESPONSE = 0xA4, 0xC0
_SYSTEM = System()


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
        execution = _Execution(services, self._store, channel)
        whole = _collect(cmd, cla, channel, execution)
        if whole is None:
            return ResponseAPDU()
        return _deliver(
            execution.run(whole, cla), cmd, channel, secured=cla.secure_messaging is not SecureMessaging.NONE
        )

    def _get_response(self, cmd: CommandAPDU, channel: Channel, services: Services) -> ResponseAPDU:
        response = _Execution(services, self._store, channel).run(cmd, ClassByte.parse(cmd.cla))
        channel.pending = b""
        return _deliver(response, cmd, channel, secured=False)


class _Execution:
    """One command that has arrived whole, on its way to the handler."""

    __slots__ = ("_channel", "_registry", "_services", "_transaction")

    def __init__(self, services: Services, store: Store, channel: Channel) -> None:
        self._services = services
        self._transaction = Transaction(store)
        self._registry = Registry(self._transaction)
        self._channel = channel

    def run(self, cmd: CommandAPDU, cla: ClassByte) -> ResponseAPDU:
        """Unwrap, execute, commit, wrap.

        The level of a session holds from the command after EXTERNAL AUTHENTICATE on, whose own response goes bare (GP
        Amendment D, 7.1.2).
        """
        session, protected = None, False
        if cla.secure_messaging is not SecureMessaging.NONE:
            session = _session(self._channel, cmd)
            protected = session.authenticated
            cmd = self._unwrap(session, cmd)
        response = self._execute(replace(cmd, cla=cla.plain), session)
        if session is not None and protected and session is self._channel.session:
            response = session.messages.wrap(response)
        return response

    def _unwrap(self, session: Session, cmd: CommandAPDU) -> CommandAPDU:
        try:
            return session.messages.unwrap(cmd)
        except SecureMessagingError:
            self._channel.end_session()
            raise CardError(
                StatusWord.SM_OBJECTS_INCORRECT, "secure messaging does not verify; the session ends"
            ) from None

    def _execute(self, cmd: CommandAPDU, session: Session | None) -> ResponseAPDU:
        row, ctx = self.route(cmd, session)
        if not row.length.minimum <= len(cmd.data) <= row.length.maximum:
            raise CardError(StatusWord.WRONG_LENGTH, f"{row.name} does not take {len(cmd.data)} bytes of data")
        row.access.authorise(cmd, ctx)
        response = row.handler(ctx.applet, cmd, ctx)
        ctx.complete()
        return response

    def route(self, cmd: CommandAPDU, session: Session | None) -> tuple[Row, Context]:
        """Find the row for a command: in the selected application's table, its domain's where it forwards, or the
        card's own.
        """
        if self._registry.card_state is CardState.TERMINATED and cmd.ins != _SELECT:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the card is terminated")
        selected = self._registry.by_instance(self._channel.application)
        places = [*self._places(cmd, selected), (_SYSTEM, selected)]
        for place, entry in places:
            rows = place.table.find(bool(cmd.cla & 0x80), cmd.ins)
            if rows:
                return self._match(rows, cmd), self._context(place, entry, selected, rows, cmd, session)
        if any(place.table.find(not cmd.cla & 0x80, cmd.ins) for place, _ in places):
            raise CardError(StatusWord.CLA_NOT_SUPPORTED, f"instruction {cmd.ins:02X} exists in the other class only")
        raise CardError(StatusWord.INS_NOT_SUPPORTED, f"no instruction {cmd.ins:02X} here")

    def _places(self, cmd: CommandAPDU, selected: Entry) -> Iterator[tuple[Applet, Entry]]:
        """Yield where a command may belong before the card itself: the selected application, its domain if it forwards.

        What was locked since it was selected, the whole card included, answers no more (6985), whatever channel it is
        on.
        """
        if not self._registry.is_usable(selected):
            if _SYSTEM.table.find(bool(cmd.cla & 0x80), cmd.ins):
                return
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the application is locked")
        applet = self._services.rom.applet(selected.module)
        yield applet, selected
        if cmd.ins in applet.forwarded and cmd.cla & 0x80 and not selected.is_domain:
            domain = self._registry.by_instance(selected.domain)
            if not self._registry.is_usable(domain):
                raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the security domain is locked")
            yield self._services.rom.applet(domain.module), domain

    @staticmethod
    def _match(rows: tuple[Row, ...], cmd: CommandAPDU) -> Row:
        for row in rows:
            if row.accepts(cmd):
                return row
        raise CardError(StatusWord.INCORRECT_P1P2, f"{rows[0].name} does not take P1-P2 {cmd.p1:02X}{cmd.p2:02X}")

    def _context(
        self,
        applet: Applet,
        entry: Entry,
        selected: Entry,
        rows: tuple[Row, ...],
        cmd: CommandAPDU,
        session: Session | None,
    ) -> Context:
        kind = DomainContext if applet is _SYSTEM or entry.is_domain else Context
        ctx = kind(self._services, self._transaction, self._channel, applet, entry, selected, session)
        ctx.row = self._match(rows, cmd)
        return ctx


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


def _session(channel: Channel, cmd: CommandAPDU) -> Session:
    """Return the session that a secured command belongs to; in a handshake only EXTERNAL AUTHENTICATE does."""
    session = channel.session
    if session is None:
        raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "no secure channel session is open")
    if not session.authenticated and cmd.ins != _EXTERNAL_AUTHENTICATE:
        channel.end_session()
        raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "the handshake was not finished")
    return session


def _collect(cmd: CommandAPDU, cla: ClassByte, channel: Channel, execution: _Execution) -> CommandAPDU | None:
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
        execution.route(replace(cmd, cla=cla.plain), None)
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
