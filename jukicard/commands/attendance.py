"""Who is there: the options by which operators log in, and the logging in.

A command that writes the books or the home declares what its operator needs (`operator_options`) and does its work
inside `Session.operator`.  In a home with operators nothing is done without them; in one without, nobody is asked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jukicard.commands import completion
from jukicard.commands.options import reader_spec
from jukicard.commands.passwords import Source, authority_password, password_options

if TYPE_CHECKING:
    from jukicard.commands.session import Session
    from jukicard.issuer.authority.authority import Authority
    from jukicard.issuer.authority.permissions import Permission
    from jukicard.issuer.operators.session import FourEyes, OperatorSession
    from jukicard.reader.spec import ReaderSpec

F = TypeVar("F", bound=Callable[..., Any])

PASSWORD_FORM = "an operator's password has 6 to 16 characters, printable ASCII"  # noqa: S105
PERMISSION = "__permission__"
"""The attribute of a command's function that says what its operator needs."""

operator_password = password_options("operator_password", "operator-password", "Operator's password", "the operator's")
second_operator_password = password_options(
    "second_operator_password", "second-operator-password", "Second operator's password", "the second operator's"
)


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one operator's card is, and where the password comes from."""

    reader: ReaderSpec | None
    password: Source


@dataclass(frozen=True, slots=True)
class Attendance:
    """The operators' seats, and what the command needs: None for any operator."""

    permission: Permission | None
    first: Seat
    second: Seat


def operator_options(permission: Permission | None) -> Callable[[F], F]:
    """Add the options by which operators log in, for a command that needs that permission (None: any operator)."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **values: Any) -> Any:
            from jukicard.commands.session import Session

            first, second = (
                Seat(values.pop(f"{which}operator_reader"), values.pop(f"{which}operator_password"))
                for which in ("", "second_")
            )
            session = click.get_current_context().ensure_object(Session)
            session.attendance = Attendance(permission, first, second)
            return function(*args, **values)

        setattr(wrapper, PERMISSION, permission)
        decorated: Any = wrapper
        for option in (
            second_operator_password,
            _reader_option("--second-operator-reader", "The same, of the second operator, for what takes two."),
            operator_password,
            _reader_option("--operator-reader", "Where the operator's card is, in a home with operators."),
        ):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def office_options(permission: Permission | None) -> Callable[[F], F]:
    """The same for a command that needs the authority's password only where operators log in (`Session.office`)."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **values: Any) -> Any:
            from jukicard.commands.session import Session

            session = click.get_current_context().ensure_object(Session)
            session.staff_source = values.pop("authority_password")
            return function(*args, **values)

        return operator_options(permission)(authority_password(wrapper))  # type: ignore[return-value]

    return decorate


def _reader_option(name: str, explained: str) -> Callable[[F], F]:
    return click.option(name, callback=reader_spec, shell_complete=completion.readers, metavar="SPEC", help=explained)


def read_operator_password(source: Source, *, new: bool = False) -> str:
    """Return an operator's password of the right form: nothing else ever reaches a card."""
    while True:
        password = source.read(new=new)
        if 6 <= len(password) <= 16 and password.isascii() and password.isprintable():
            return password
        if source.given:
            raise click.UsageError(PASSWORD_FORM)
        click.echo(f"{PASSWORD_FORM[0].upper()}{PASSWORD_FORM[1:]}.", err=True)


@contextmanager
def attended(session: Session, authority: Authority) -> Iterator[OperatorSession | FourEyes | None]:
    """Log in whoever the command needs, and out again at its end; None in a home without operators.

    OperatorNeeded, OperatorRefused, and what reading cards raises.
    """
    from jukicard.issuer.errors import OperatorNeeded, OperatorRefused
    from jukicard.issuer.operators.register import Operators
    from jukicard.issuer.operators.session import FourEyes

    given = session.attendance
    if given is None:
        raise RuntimeError("a command that declares no permission asks for an operator")
    if not Operators(authority).are_needed:
        if given.first.reader is not None:
            raise OperatorRefused("this home has no operators (juki operator new makes the first two)")
        yield None
        return
    if given.first.reader is None:
        raise OperatorNeeded("this home has operators: log in with --operator-reader SPEC, where your card is")
    with ExitStack() as stack:
        first = stack.enter_context(_seated(session, authority, given.first.reader, given.first.password))
        there: OperatorSession | FourEyes = first
        if given.second.reader is not None:
            second = stack.enter_context(_seated(session, authority, given.second.reader, given.second.password))
            there = FourEyes(first, second)
        if given.permission is not None:
            try:
                there.require(given.permission)
            except OperatorNeeded as error:
                error.add_note("The second logs in with --second-operator-reader SPEC.")
                raise
        yield there


@contextmanager
def _seated(session: Session, authority: Authority, place: ReaderSpec, password: Source) -> Iterator[OperatorSession]:
    from jukicard.issuer.operators.session import login

    with session.card(place) as connection:
        world = session.world
        operator = login(authority, connection, world.random, world.now, lambda: read_operator_password(password))
        click.echo(f"Operator {operator.actor} is logged in.", err=True)
        try:
            yield operator
        finally:
            operator.close()
