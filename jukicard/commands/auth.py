"""`juki auth`: card, terminal and holder prove themselves to each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import click

from jukicard.commands.options import day_option, home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password, holder_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.counter.authentication import (
    COUNTER_TERMINAL,
    Authentication,
    CardDialogue,
    Proof,
    authenticate,
    has_expired,
)

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

STEP_WIDTH = 25


@click.command
@reader_option
@click.option("--show-code", is_flag=True, help="Show the resident code, not asterisks.")
@terminal_option(COUNTER_TERMINAL)
@day_option("--today", "The day to judge card and certificates by (else today).")
@holder_password
@authority_password
@home_option
@json_option
@pass_session
def auth(
    session: Session,
    reader: ReaderSpec,
    show_code: bool,
    terminal: str,
    today: date | None,
    password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Authenticate card, terminal and holder to each other, step by step.

    The card proves itself, the terminal proves itself to the card, an encrypted channel is opened, the holder's
    password is verified by the card, and the resident code is read. Each step is printed with its proof. A card of this
    city that its books have as suspended, void, expired or spoilt, or do not know, is refused whatever the chip says.
    The password is asked for only when the card has proved itself and is active.

    \b
    Examples:
      juki auth --reader emulator:out/799201000000001.juki
      juki auth --reader pcsc: --password-file password.txt --show-code --json
    """
    holder = password.holder()
    with session.authority(None) as public:
        public.terminal(terminal)
    steps: list[dict[str, str]] = []

    def report(proof: Proof) -> None:
        steps.append({"step": proof.step, "proof": proof.proof})
        if not as_json:
            click.echo(f"{click.style('ok', fg='green')}  {proof.step:{STEP_WIDTH}}{proof.proof}")

    with (
        session.card(reader) as connection,
        session.authority(authority_password.read()) as authority,
        connection.transaction(),
    ):
        day = today or session.world.today
        dialogue = CardDialogue(
            authority, connection, session.world.random, today=day, terminal=terminal, report=report
        )
        with _facts_kept(session, dialogue, steps):
            result = authenticate(dialogue, holder)
    facts = _facts(result, day, show_code=show_code)
    print_facts({**facts, "steps": steps} if as_json else facts, as_json=as_json)


@contextmanager
def _facts_kept(session: Session, dialogue: CardDialogue, steps: list[dict[str, str]]) -> Iterator[None]:
    """Leave what was established to the JSON of an error."""
    try:
        yield
    finally:
        session.facts = {**_facts(dialogue.result, dialogue.today, show_code=False), "steps": steps}


def _facts(result: Authentication, today: date, *, show_code: bool) -> dict[str, object]:
    """`status` is what counts, from what books and chip say; `expired` follows from the chip's own date."""
    card, status, code = result.card, result.status, result.resident_code
    return {
        "card_genuine": result.card_genuine,
        "terminal_accepted": result.terminal_accepted,
        "password_ok": result.password_ok,
        "resident_code": None if code is None else code.reveal() if show_code else code.masked,
        "serial": None if card is None else card.serial,
        "status": result.standing(today),
        "status_in_books": None if result.books is None else result.books.status.value,
        "status_on_chip": None if status is None else status.state.label,
        "expires": None if card is None else iso_date(card.expires),
        "expired": None if card is None else has_expired(card, today),
    }


def iso_date(digits: str) -> str:
    """Return YYYYMMDD, as cards have it, as YYYY-MM-DD."""
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
