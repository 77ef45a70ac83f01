"""`juki reader check`: a harmless check-up of one reader and the card in it.

Sent are SELECT of the issuer's domain, GET CHALLENGE and GET DATA of the card data: nothing that writes, nothing that
asks for or counts a password.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

import click

from jukicard.commands import completion
from jukicard.commands.atrs import describe_atr
from jukicard.commands.options import card_file_options, home_option, json_option, print_facts, reader_spec
from jukicard.commands.recognition import DOMAINS
from jukicard.commands.session import READER_VARIABLE, Session, pass_session
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.errors import MalformedResponse, ProtocolLimit, TransportError
from jukicard.iso7816.wrappers import ExactLength, T0Rules

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

Facts: TypeAlias = dict[str, object]

TIMED_COMMANDS = 20
SHORT_CHALLENGES = (8, 256)
LONG_CHALLENGES = (257, 1024, 4096)
"""Bytes asked for with GET CHALLENGE, from the shortest on; above 256 they need extended length."""

SELECTS = tuple(CommandAPDU(0x00, 0xA4, 0x04, 0x00, bytes(name), 256) for name in DOMAINS)
CHALLENGE = CommandAPDU(0x00, 0x84, 0x00, 0x00, ne=8)
CARD_DATA = CommandAPDU(0x80, 0xCA, 0x00, 0x66, ne=256)


@click.command
@click.argument(
    "reader",
    metavar="[SPEC]",
    envvar=READER_VARIABLE,
    default="pcsc:",
    callback=reader_spec,
    shell_complete=completion.readers,
)
@card_file_options
@home_option
@json_option
@pass_session
def check(session: Session, reader: ReaderSpec, as_json: bool) -> None:
    """Check up on one reader and its card, harmlessly.

    SPEC is emulator:PATH or pcsc:NAME (else JUKI_READER, else the only PC/SC reader). Shows the answer to reset, the
    protocol, whether extended length gets through, the time that a command takes (median of 20), and whether
    transaction and reset work. Nothing is written and no try is spent, whatever card it is. The card is reset.

    \b
    Examples:
      juki reader check pcsc:
      juki reader check emulator:card.juki --json
    """
    facts = session.facts
    try:
        with session.card(reader) as connection:
            facts |= {"reader": str(reader), **describe_atr(connection.atr), **_way(connection)}
            with connection.transaction():
                facts |= {"transaction": True}
                facts |= _answers(connection)
                facts |= _speed(connection)
            facts |= _reset(connection)
            with connection.transaction():  # last, since there are readers that lose the card over it
                facts |= _lengths(connection)
    finally:  # what was found before a card left is worth showing, too; in JSON it goes with the error
        if not as_json:
            print_facts(facts, as_json=False)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))


def _way(connection: CardConnection) -> Facts:
    limits = connection.limits
    return {
        "protocol": "T=0" if isinstance(connection, T0Rules) else "T=1",
        "longest_command": limits.max_command,
        "longest_response": limits.max_response,
    }


def _answers(connection: CardConnection) -> Facts:
    select: str | None = None
    for command in SELECTS:
        response = _asked(connection, command)
        select = None if response is None else f"{response.sw:04X}"
        if select == "9000":
            break
    return {"issuer_domain": select == "9000", "select": select}


def _speed(connection: CardConnection) -> Facts:
    """Time the same SELECT again and again, whatever the card says to it."""
    command, times = SELECTS[0].encode(), []
    for _ in range(TIMED_COMMANDS):
        start = time.perf_counter_ns()
        connection.transmit(command)
        times.append((time.perf_counter_ns() - start) // 1000)
    return {"median_us": round(statistics.median(times)), "slowest_us": max(times)}


def _lengths(connection: CardConnection) -> Facts:
    """Ask for longer and longer challenges, until the card gives less.

    `extended` is what was tried, not what the ATR says: None where the card answers neither GET CHALLENGE nor GET DATA.
    """
    short = _longest_challenge(connection, SHORT_CHALLENGES)
    try:
        extended = _extended(connection, CARD_DATA if short is None else CHALLENGE)
        longest = (
            _longest_challenge(connection, LONG_CHALLENGES) if extended and short == max(SHORT_CHALLENGES) else None
        )
    except TransportError as error:
        if type(error) is not TransportError:  # removed, busy: this may or may not be because of it
            error.add_note("It happened at a command of extended length: perhaps the reader carries short ones only.")
            raise
        extended, longest = False, None
    return {"extended": extended, "longest_challenge": longest or short}


def _longest_challenge(connection: CardConnection, sizes: Iterable[int]) -> int | None:
    longest = None
    for size in sizes:
        response = _asked(connection, CHALLENGE._replace(ne=size))
        if response is None or len(response.data) != size:
            break
        longest = size
    return longest


def _extended(connection: CardConnection, command: CommandAPDU) -> bool | None:
    """Whether the extended form of a command is answered as the short one is; None if not even that is."""
    if not connection.limits.extended:
        return False
    short = _asked(connection, command)
    if short is None or not short.data:
        return None
    answer = _asked(connection, command._replace(extended=True))
    return answer is not None and len(answer.data) == len(short.data)


def _asked(connection: CardConnection, command: CommandAPDU) -> ResponseAPDU | None:
    """Send a command, again with the length that the card wants (6Cxx); None where it cannot be sent or answered."""
    try:
        return send(ExactLength(connection), command)
    except (ProtocolLimit, MalformedResponse):
        return None


def _reset(connection: CardConnection) -> Facts:
    before = connection.atr
    connection.reset()
    return {"reset": True, "same_atr_after_reset": connection.atr == before}
