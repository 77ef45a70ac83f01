"""`juki apdu`: raw APDUs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

import click

from jukicard.commands import decoding, explaining
from jukicard.commands.options import home_option, json_option, reader_option
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.apdu import ApduError, ResponseAPDU
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import MalformedResponse
from jukicard.reader.spec import EmulatorSpec
from jukicard.reader.trace import Trace

if TYPE_CHECKING:
    from jukicard.card.explain import Refusal
    from jukicard.reader.spec import ReaderSpec

STANDARD_INPUT = "-"


@click.command
@reader_option
@click.argument("hex_apdus", metavar="[HEX ... | -]", nargs=-1)
@click.option("--decode", is_flag=True, help="Name command, status word and data objects.")
@click.option("--explain", is_flag=True, help="Say why the emulated chip refuses what it refuses, and what would do.")
@home_option
@json_option
@pass_session
def apdu(
    session: Session, reader: ReaderSpec, hex_apdus: tuple[str, ...], decode: bool, explain: bool, as_json: bool
) -> None:
    """Send raw APDUs, as they are, and print each answer in hex.

    --explain asks the chip in the emulator, behind the wire: no card in a PC/SC reader tells so much.

    One APDU per argument; with - (or no argument) one per line of standard input, where a line that begins with # is
    a comment. Nothing is added and nothing repeated: 61xx and 6Cxx are yours to answer. Arguments can be seen by
    other users of the machine: send passwords by standard input.

    \b
    Examples:
      juki apdu --reader pcsc: 00A4040000
      juki apdu --reader emulator:blank.juki --decode "00 A4 04 00 00" 80CA006600
      juki apdu --reader pcsc: - < commands.txt
    """
    if explain and not isinstance(reader, EmulatorSpec):
        raise click.UsageError("--explain asks the chip itself: it needs --reader emulator:PATH, not a PC/SC reader")
    from_input = hex_apdus in ((), (STANDARD_INPUT,))
    lines = _lines(sys.stdin) if from_input else iter([_bytes(text) for text in hex_apdus])
    answers: list[dict[str, object]] = []

    def answered(answer: bytes) -> None:
        response = _parsed(answer)
        refusal = _refusal(connection) if explain else None
        if as_json:
            told: dict[str, object] = {"data": response.data.hex().upper(), "sw": f"{response.sw:04X}"}
            if explain:
                told["explanation"] = None if refusal is None else explaining.as_json(refusal)
            answers.append(told)
            return
        click.echo(answer.hex().upper())
        for line in decoding.describe(response.data) if decode else ():
            click.echo(f"    {line}")
        for line in explaining.lines(refusal) if refusal else ():
            click.echo(f"    {line}")

    with session.card(reader) as connection, connection.transaction():
        _exchange(connection, lines, answered, traced=decode and not as_json)
    if as_json:
        click.echo(json.dumps({"responses": answers}, indent=2))


def _exchange(
    connection: CardConnection, commands: Iterable[bytes], answered: Callable[[bytes], None], *, traced: bool
) -> None:
    trace = Trace(click.echo)
    for command in commands:
        answered(trace.exchange(command, connection.transmit) if traced else connection.transmit(command))


def _refusal(connection: CardConnection) -> Refusal | None:
    from jukicard.reader.chips import CardFileConnection

    return connection.refusal if isinstance(connection, CardFileConnection) else None


def _lines(stream: TextIO) -> Iterator[bytes]:
    for line in stream:
        if line.strip() and not line.lstrip().startswith("#"):
            yield _bytes(line)


def _bytes(text: str) -> bytes:
    try:
        command = bytes.fromhex(text)
    except ValueError:
        raise click.UsageError("an APDU is written in hex digits, two for each byte") from None
    if not command:
        raise click.UsageError("an empty APDU")
    return command


def _parsed(answer: bytes) -> ResponseAPDU:
    try:
        return ResponseAPDU.parse(answer)
    except ApduError as error:
        raise MalformedResponse(str(error)) from None
