"""`juki code`: resident codes that nobody has yet, and whether given ones are well formed.

A code is never an argument, which other users of the machine could read; `check` repeats none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import click

from jukicard.commands.errors import DONE, REFUSED
from jukicard.commands.options import home_option, json_option
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.records.codes import ResidentCode, new_resident_code

MAX_COUNT = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one line: its number, whether it is a resident code, and if not, why."""

    line: int
    valid: bool
    reason: str | None = None


@click.command
@click.option("--count", type=click.IntRange(1, MAX_COUNT), default=1, show_default=True, help="How many.")
@authority_password
@home_option
@json_option
@pass_session
def new(session: Session, count: int, authority_password: Source, as_json: bool) -> None:
    """Make a fresh random resident code that nobody here has.

    For invented residents: real codes are assigned by the national system alone.

    \b
    Examples:
      juki code new
      juki code new --count 20 --json
    """
    with session.authority(authority_password.read()) as authority:
        codes = [code.reveal() for code in _fresh(authority, session.world.random, count)]
    click.echo(json.dumps({"resident_codes": codes}, indent=2) if as_json else "\n".join(codes))


@click.command
@json_option
def check(as_json: bool) -> int:
    """Check the resident codes on standard input, one per line.

    A code has 11 digits, of which the last is the check digit. Blank lines are passed over, and no code is repeated:
    lines are named by their numbers. The exit code is 1 if any is invalid.

    \b
    Examples:
      juki code new --count 3 | juki code check
      juki code check --json < codes.txt
    """
    if sys.stdin.isatty():
        click.echo("Resident codes, one per line, then end of file:", err=True)
    verdicts = list(_verdicts(sys.stdin.buffer))
    if not verdicts:
        raise click.UsageError("there is no code on standard input")
    valid = all(verdict.valid for verdict in verdicts)
    if as_json:
        click.echo(json.dumps({"valid": valid, "codes": [asdict(verdict) for verdict in verdicts]}, indent=2))
    else:
        for verdict in verdicts:
            click.echo(f"line {verdict.line}: {'valid' if verdict.valid else f'invalid: {verdict.reason}'}")
    return DONE if valid else REFUSED


def _fresh(authority: Authority, random: Randomness, count: int) -> list[ResidentCode]:
    """Different codes that no card in the books was ever ordered for."""
    codes: list[ResidentCode] = []
    while len(codes) < count:
        code = new_resident_code(random)
        if code not in codes and not authority.ledger.cards_for(authority.code_digest(code)):
            codes.append(code)
    return codes


def _verdicts(lines: Iterable[bytes]) -> Iterator[Verdict]:
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8-sig", errors="replace").strip()
        if text:
            yield _verdict(number, text)


def _verdict(number: int, text: str) -> Verdict:
    try:
        ResidentCode.parse(text)
    except ValueError as error:
        return Verdict(number, False, str(error))
    return Verdict(number, True)
