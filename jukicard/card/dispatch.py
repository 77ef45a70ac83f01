"""One command on its way: secure messaging, routing to a row of a table, the checks in their order, handler, commit.

`Card` does what concerns the wire before and after: logical channel, command chaining, status words, response chaining.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jukicard.card.applet import Applet
from jukicard.card.commands import Row
from jukicard.card.context import Context, DomainContext, Services
from jukicard.card.errors import CardError
from jukicard.card.registry import CardState, Entry, Registry
from jukicard.card.store import Store
from jukicard.card.system_commands import System
from jukicard.card.transaction import Transaction
from jukicard.card.volatile import Channel, Session
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import SecureMessagingError

_EXTERNAL_AUTHENTICATE = 0x82
_SELECT = 0xA4
_SYSTEM = System()


class Dispatch:
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
        ctx = self.route(cmd, session)
        row = ctx.row
        self._transaction.writable = row.writes
        if not row.length.minimum <= len(cmd.data) <= row.length.maximum:
            raise CardError(StatusWord.WRONG_LENGTH, f"{row.name} does not take {len(cmd.data)} bytes of data")
        row.access.authorise(cmd, ctx)
        response = row.handler(ctx.applet, cmd, ctx)
        ctx.complete()
        return response

    def route(self, cmd: CommandAPDU, session: Session | None) -> Context:
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
                kind = DomainContext if place is _SYSTEM or entry.is_domain else Context
                ctx = kind(self._services, self._transaction, self._channel, place, entry, selected, session)
                ctx.row = _match(rows, cmd)
                return ctx
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


def _match(rows: tuple[Row, ...], cmd: CommandAPDU) -> Row:
    for row in rows:
        if row.accepts(cmd):
            return row
    raise CardError(StatusWord.INCORRECT_P1P2, f"{rows[0].name} does not take P1-P2 {cmd.p1:02X}{cmd.p2:02X}")


def _session(channel: Channel, cmd: CommandAPDU) -> Session:
    """Return the session that a secured command belongs to; in a handshake only EXTERNAL AUTHENTICATE does."""
    session = channel.session
    if session is None:
        raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "no secure channel session is open")
    if not session.authenticated and cmd.ins != _EXTERNAL_AUTHENTICATE:
        channel.end_session()
        raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "the handshake was not finished")
    return session
