"""`juki ledger …`: the books, read and verified.  Nothing personal stands in them."""

from __future__ import annotations

from datetime import date

import click

from jukicard.commands.heads import head_options, verified
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.session import Session, pass_session
from jukicard.commands.tables import print_json, print_table
from jukicard.issuer.counter.lifecycle import how_to_go_on
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.rules import STANDINGS
from jukicard.issuer.operators.trust import HomeTrust

_INTERNAL = ("code_digest", "person_digest")
"""Details that let the books find a resident again, and tell nobody anything."""


@click.command("list")
@click.option(
    "--status", multiple=True, type=click.Choice([str(name) for name in STANDINGS]), help="Only these. Repeatable."
)
@home_option
@json_option
@pass_session
def list_(session: Session, status: tuple[str, ...], as_json: bool) -> None:
    """List the cards in the books, and how to go on with what is unfinished.

    A card is expired from the day after its last one; the books need no entry for that.

    \b
    Examples:
      juki ledger list
      juki ledger list --status active --status suspended --json
    """
    today = session.world.today
    with session.authority(None) as authority:
        cards = [card for card in authority.ledger.cards() if not status or card.standing(today) in status]
    if as_json:
        print_json({"cards": [_described(card, today) for card in cards]})
        return
    if not cards:
        click.echo("No cards.")
        return
    rows = [(card.serial, card.face, card.issued_on, card.expires, card.standing(today), card.chip) for card in cards]
    print_table(("serial", "face", "issued", "expires", "status", "chip"), rows)
    for card in cards:
        advice = how_to_go_on(card)
        if advice is not None:
            click.echo(f"{card.serial}: {advice}")


@click.command
@click.argument("serial")
@home_option
@json_option
@pass_session
def show(session: Session, serial: str, as_json: bool) -> None:
    """Show what the books say of one card, entry by entry.

    \b
    Example:
      juki ledger show 799201000000001
    """
    today = session.world.today
    with session.authority(None) as authority:
        card, entries = authority.ledger.card(serial), authority.ledger.entries(serial)
    facts = _described(card, today)
    if as_json:
        print_json({**facts, "entries": [_entry(entry) for entry in entries]})
        return
    print_facts(facts, as_json=False)
    click.echo()
    rows = (
        (entry.number, f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.event.value, _in_words(_details(entry)))
        for entry in entries
    )
    print_table(("entry", "time (UTC)", "event", "details"), rows)


@click.command
@click.option(
    "--sealed",
    type=click.IntRange(0),
    default=0,
    metavar="NUMBER",
    help="The entry up to which the books were sealed then.",
)
@head_options
@home_option
@json_option
@pass_session
def verify(session: Session, kept: str | None, sealed: int, as_json: bool) -> None:
    """Verify the whole ledger, and print its head.

    Every digest is computed again, every signature of an operator's card and every seal of the authority is verified,
    and every card's entries are followed through the table of what is allowed. What does not fit is named by the number
    of its entry (exit code 6).

    The head stands for all entries up to the last. Keep it elsewhere: against it, a tail that was cut off, or a chain
    that somebody made anew, is found too.

    \b
    Examples:
      juki ledger verify
      juki ledger verify --head-file /media/usb/head.txt
      juki ledger verify --head-file /media/usb/head.txt --sealed 512
    """
    with session.authority(None) as authority:
        found = authority.ledger.inspect(kept, HomeTrust(authority), sealed)
    print_facts(verified(found, kept), as_json=as_json)


def _described(card: CardState, today: date) -> dict[str, object]:
    return {
        "serial": card.serial,
        "city_code": card.city_code,
        "face": card.face,
        "issued_on": card.issued_on.isoformat(),
        "expires": card.expires.isoformat(),
        "status": card.standing(today),
        "expired": card.is_expired(today),
        "chip": card.chip,
        "chip_behind": card.chip_behind,
        "unfinished_step": card.pending,
        "next": how_to_go_on(card),
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "entry": entry.number,
        "time": entry.at.isoformat(),
        "event": entry.event.value,
        "details": _details(entry),
        "digest": entry.digest,
    }


def _details(entry: Entry) -> dict[str, str]:
    return {name: value for name, value in entry.detail.items() if name not in _INTERNAL}


def _in_words(details: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in details.items())
