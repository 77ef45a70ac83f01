"""One command that has arrived whole: secure messaging, its row, the checks in their order, handler, commit.

`Card` does what concerns the wire before and after: logical channel, command chaining, status words, response chaining.
"""

from __future__ import annotations

from jukicard.card.context import Context, Services
from jukicard.card.errors import CardError, Step
from jukicard.card.transaction import Transaction
from jukicard.card.volatile import Channel, Session
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.cla import ClassByte
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.messages import SecureMessagingError

_EXTERNAL_AUTHENTICATE = 0x82


def run_secured(cmd: CommandAPDU, cla: ClassByte, channel: Channel, services: Services) -> ResponseAPDU:
    """Unwrap, execute, wrap.

    The level of a session holds from the command after EXTERNAL AUTHENTICATE on, whose own response goes bare (GP
    Amendment D, 7.1.2).
    """
    session = _session(channel, cmd)
    protected = session.authenticated
    cmd = _unwrap(session, cmd, channel)
    response = execute(cmd.in_class(cla.plain), session, channel, services)
    if protected and session is channel.session:
        response = session.messages.wrap(response)
    return response


def find_row(cmd: CommandAPDU, session: Session | None, channel: Channel, services: Services) -> Context:
    """Find the row for a command, in the table of whoever answers it (see `routing`), and make its context."""
    route = services.routing.route(channel.application)
    place, rows = route.find(cmd)
    transaction = Transaction(services.store, services.memory)
    context, applet, entry = route.owners[place]
    ctx = context(services, transaction, channel, applet, entry, route.selected, session)
    p1, p2 = cmd.p1, cmd.p2
    for row in rows:
        if p1 in row.p1 and p2 in row.p2:
            services.row = ctx.row = row
            transaction.writable = row.writes
            return ctx
    raise CardError(StatusWord.INCORRECT_P1P2, f"{rows[0].name} does not take these P1-P2", Step.PARAMETERS)


def execute(cmd: CommandAPDU, session: Session | None, channel: Channel, services: Services) -> ResponseAPDU:
    """Execute a plain command that came under `session` or (None) in the clear: checks, handler, commit."""
    ctx = find_row(cmd, session, channel, services)
    row = ctx.row
    if not row.length.minimum <= len(cmd.data) <= row.length.maximum:
        reason = f"{row.name} does not take {len(cmd.data)} bytes of data"
        raise CardError(StatusWord.WRONG_LENGTH, reason, Step.LENGTH)
    row.access.authorise(cmd, ctx)
    response = row.handler(ctx.applet, cmd, ctx)
    ctx.complete()
    return response


def _session(channel: Channel, cmd: CommandAPDU) -> Session:
    """Return the session that a secured command belongs to; in a handshake only EXTERNAL AUTHENTICATE does."""
    session = channel.session
    if session is None:
        reason = "no secure channel session is open"
    elif not session.authenticated and cmd.ins != _EXTERNAL_AUTHENTICATE:
        channel.end_session()
        reason = "the handshake was not finished"
    else:
        return session
    raise CardError(StatusWord.SECURITY_NOT_SATISFIED, reason, Step.SECURE_MESSAGING)


def _unwrap(session: Session, cmd: CommandAPDU, channel: Channel) -> CommandAPDU:
    try:
        return session.messages.unwrap(cmd)
    except SecureMessagingError:
        channel.end_session()
        reason = "secure messaging does not verify; the session ends"
        raise CardError(StatusWord.SM_OBJECTS_INCORRECT, reason, Step.SECURE_MESSAGING) from None
