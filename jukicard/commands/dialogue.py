"""A terminal's dialogue with the card at hand, as every command at the counter begins it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from jukicard.commands.options import print_proof
from jukicard.commands.passwords import Source
from jukicard.commands.session import Session
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.counter.issueraccess import IssuerAccess

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec


@contextmanager
def card_dialogue(
    session: Session,
    reader: ReaderSpec,
    terminal: str,
    password: Source,
    attended: Callable[[Authority], AbstractContextManager[object]],
) -> Iterator[tuple[Authority, CardDialogue]]:
    """Begin it, in one transaction with the card; the terminal must be there before anything is asked.

    `attended` logs the operator in where the command needs one: `Session.operator`, else `nullcontext`.
    """
    with session.authority(None) as public:
        public.terminal(terminal)
    world = session.world
    with (
        session.card(reader) as connection,
        session.authority(password.read()) as authority,
        attended(authority),
        connection.transaction(),
    ):
        yield (
            authority,
            CardDialogue(authority, connection, world.random, today=world.today, terminal=terminal, report=print_proof),
        )


@contextmanager
def issuer_access(session: Session, reader: ReaderSpec, terminal: str, password: Source) -> Iterator[IssuerAccess]:
    """The same for what takes the issuer's keys: with an operator where the home has any."""
    with card_dialogue(session, reader, terminal, password, session.operator) as (authority, dialogue):
        yield IssuerAccess(authority, dialogue, session.world.random)
