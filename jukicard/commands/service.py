"""What the commands on municipal services share: being a terminal at the card at hand, and the service's password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jukicard.applets.gp.client import ApplicationClient, PasswordClient
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password, password_options
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.line.provers import CertifiedKey, card_channel_key, ephemeral_key

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

C = TypeVar("C", bound=PasswordClient)
F = TypeVar("F", bound=Callable[..., Any])

OFFICE_TERMINAL = "municipal-service"
REFERENCE = 0x81
"""Of the one password that each of the services has."""

service_password = password_options("password", "password", "Holder's password for this service", "the holder's")
new_service_password = password_options(
    "new_password", "new-password", "New password for this service", "the holder's new"
)


def service_options(terminal: str) -> Callable[[F], F]:
    """Add what every command at a service takes; `terminal` is the default of --terminal."""

    def decorate(function: F) -> F:
        decorated: Any = function
        for option in (
            pass_session,
            json_option,
            home_option,
            authority_password,
            terminal_option(terminal),
            reader_option,
        ):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


@contextmanager
def opened(
    session: Session, reader: ReaderSpec, terminal: str, password: Source
) -> Iterator[tuple[Authority, CardConnection]]:
    """Open the authority and the card at hand; the terminal must be there before anything is asked."""
    with session.authority(None) as public:
        public.terminal(terminal)
    with authority_and_card(session, reader, password) as both:
        yield both


@contextmanager
def authority_and_card(
    session: Session, reader: ReaderSpec, password: Source
) -> Iterator[tuple[Authority, CardConnection]]:
    """Open the authority and the card at hand, which nobody else uses meanwhile."""
    with (
        session.card(reader) as connection,
        session.authority(password.read()) as authority,
        connection.transaction(),
    ):
        yield authority, connection


def at_service(
    session: Session,
    authority: Authority,
    connection: CardConnection,
    terminal: str,
    kind: Callable[[CardConnection, str], C],
) -> tuple[C, CertifiedKey]:
    """Select a service, have the card prove itself, and open a channel as a terminal; the client and whose card it is.

    AuthenticationFailed for a card of another municipality's root, or one that is not genuine.
    """
    client = kind(standard(connection), authority.city.code)
    client.select()
    return client, open_as(session, authority, client, terminal)


def open_as(session: Session, authority: Authority, client: ApplicationClient, terminal: str) -> CertifiedKey:
    """Have the card of a selected application prove itself, open a channel as a terminal, and say whose card it is."""
    card = card_channel_key(client, authority, today=session.world.today, area=Area.MUNICIPAL)
    client.open_scp11a(authority.terminal_key(terminal), card.public_key, ephemeral_key(session.world.random))
    return card


def verify(client: PasswordClient, password: Callable[[], str]) -> None:
    """Ask for the holder's password, and prove it to the card.  PasswordWrong, PasswordBlocked."""
    client.verify(REFERENCE, password().encode())


def password_command(noun: str, kind: Callable[[CardConnection, str], PasswordClient], most: int = 4) -> click.Command:
    """Return `juki NOUN password`: the office sets the holder's password of a service, for the first time or anew."""
    digits = "4 digits" if most == 4 else f"4 to {most} digits"

    @click.command(
        name="password",
        help=f"""Set the holder's password of this service at the office: {digits}.

        The holder is there in person and chooses it: the first one, or a new one where it was forgotten or blocked.
        It is another password than the card's own.

        \b
        Example:
          juki {noun} password --reader pcsc: --new-password-file new.txt
        """,
        short_help="Set the holder's password of this service at the office.",
    )
    @new_service_password
    @service_options(OFFICE_TERMINAL)
    def password(
        session: Session,
        reader: ReaderSpec,
        terminal: str,
        authority_password: Source,
        new_password: Source,
        as_json: bool,
    ) -> None:
        chosen = new_password.holder(new=True, most=most)
        with opened(session, reader, terminal, authority_password) as (authority, connection):
            client, card = at_service(session, authority, connection, terminal, kind)
            client.set_initial_password(REFERENCE, chosen().encode())
        print_facts({"serial": card.serial, "password": "set"}, as_json=as_json)

    return password
