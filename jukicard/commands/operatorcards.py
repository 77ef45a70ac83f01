"""Making operators' cards, for whoever asks: `juki operator new`, and `juki authority init`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from jukicard.commands.attendance import operator_password, read_operator_password, second_operator_password
from jukicard.commands.issuing import RESUME
from jukicard.commands.passwords import Source
from jukicard.commands.progress import steps
from jukicard.commands.session import Session
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import TransportError
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import ROLES, Permission
from jukicard.issuer.ledger.rules import BooksEvent
from jukicard.issuer.line.cardkeys import newest_key_sets
from jukicard.issuer.line.personalise import check_blank, chip_number
from jukicard.issuer.operators.making import OperatorPersonaliser, order_operator
from jukicard.issuer.operators.plan import operator_plan
from jukicard.issuer.operators.register import Operator, OperatorOrder, Operators
from jukicard.reader.chips import create_chip
from jukicard.reader.spec import CARD_SUFFIX, EmulatorSpec, ReaderSpec

Ask = Callable[[], str]
F = TypeVar("F", bound=Callable[..., Any])


def in_folder(
    session: Session, authority: Authority, permissions: frozenset[Permission], out: Path, password: Ask
) -> tuple[Operator, Path]:
    """Make an operator's card in a card file of its own, `out`/SERIAL.juki, or finish one that was begun there."""
    out.mkdir(parents=True, exist_ok=True)
    order = next(
        (
            begun
            for begun in Operators(authority).unfinished()
            if begun.permissions == permissions and _file(out, begun).exists()
        ),
        None,
    ) or order_operator(authority, permissions, today=session.world.today)
    path = _file(out, order)
    if not path.exists():
        create_chip(path, session.storage_key(), random=session.world.chip_random)
    with session.card(EmulatorSpec(path)) as connection:
        return _make(session, authority, connection, order, password), path


def in_reader(
    session: Session, authority: Authority, permissions: frozenset[Permission], place: ReaderSpec, password: Ask
) -> Operator:
    """Make the blank chip in a reader an operator's card, or finish the one that was begun on it."""
    with session.card(place) as connection:
        number = chip_number(connection)
        if number not in {begun.chip for begun in Operators(authority).unfinished()}:
            check_blank(authority.ledger, connection)
        order = order_operator(authority, permissions, today=session.world.today, chip=number)
        return _make(session, authority, connection, order, password)


@dataclass(frozen=True, slots=True)
class FirstOperators:
    """The two administrators of a new authority: the folder for their cards (None: there are none), their passwords."""

    out: Path | None
    sources: tuple[Source, Source]

    def choose(self) -> list[str]:
        """Ask for the passwords."""
        return [] if self.out is None else [read_operator_password(source, new=True) for source in self.sources]


def first_operator_options(function: F) -> F:
    """Add --operators and the passwords of the two; the command gets the `staff`."""

    @functools.wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:
        sources = values.pop("operator_password"), values.pop("second_operator_password")
        return function(*args, staff=FirstOperators(values.pop("operators"), sources), **values)

    folder = click.Path(file_okay=False, path_type=Path)
    explained = "Folder for the cards of two operators, who administer the rest."
    option = click.option("--operators", type=folder, help=explained)
    return option(operator_password(second_operator_password(wrapper)))  # type: ignore[return-value]


def first_operators(session: Session, authority: Authority, staff: FirstOperators, passwords: list[str]) -> list[Path]:
    """Make the cards of a new authority's first operators, with these passwords."""
    paths: list[Path] = []
    if staff.out is None:
        return paths
    for password in passwords:
        try:
            _, path = in_folder(session, authority, ROLES["administrator"], staff.out, partial(str, password))
        except Exception as error:
            error.add_note("The authority is made: go on with juki operator new --role administrator.")
            raise
        paths.append(path)
    return paths


def _file(out: Path, order: OperatorOrder) -> Path:
    return out / f"{order.serial}{CARD_SUFFIX}"


def _make(
    session: Session, authority: Authority, connection: CardConnection, order: OperatorOrder, password: Ask
) -> Operator:
    personaliser = OperatorPersonaliser(authority, connection, order, session.world.random, password)
    total = len(operator_plan(newest_key_sets(authority))) - len(order.steps_done)
    try:
        with steps(f"operator's card {order.serial}", total) as begin:
            made = personaliser.run(lambda operation: begin(operation.name, operation.describe()))
    except TransportError as error:
        error.add_note(RESUME)
        raise
    with authority.ledger.writing() as group:
        group.note(made.serial, BooksEvent.OPERATOR_ENTERED, session.world.now())
    return made
