"""`juki vending …`: certificate vending (証明書自動交付), as a kiosk, and as the office behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from jukicard.applets.vending.client import VendingClient
from jukicard.applets.vending.layout import PASSWORD_MAXIMUM
from jukicard.applets.vending.records import CHALLENGE_SIZE, NAMES, CertificateType, Issue, Request, VendingError
from jukicard.commands.options import print_facts
from jukicard.commands.passwords import Source
from jukicard.commands.service import (
    OFFICE_TERMINAL,
    at_service,
    opened,
    password_command,
    service_options,
    service_password,
    verify,
)
from jukicard.commands.session import Session
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.line.provers import CertifiedKey, certified
from jukicard.securechannel.certificates import LeafUsage

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

KIOSK_TERMINAL = "kiosk"
Action = Callable[[Authority, VendingClient, CertifiedKey], dict[str, object]]

password = password_command("vending", VendingClient, PASSWORD_MAXIMUM)


def _type(ctx: click.Context, param: click.Parameter, value: str) -> int:
    numbers = {name: number for number, name in NAMES.items()}
    try:
        number = numbers[value] if value in numbers else int(value, 16)
    except ValueError:
        number = 0
    if not 1 <= number <= 0xFF:
        raise click.BadParameter(f"a type is 01 to ff in hexadecimal, or one of {', '.join(numbers)}", ctx, param)
    return number


type_argument = click.argument("type_", metavar="TYPE", callback=_type)


@click.command(name="list")
@service_options(OFFICE_TERMINAL)
def list_(session: Session, as_json: bool, **place: Any) -> None:
    """List the types of certificates that a card may have issued, and how many of each.

    \b
    Example:
      juki vending list --reader pcsc:
    """

    def read(authority: Authority, client: VendingClient, card: CertifiedKey) -> dict[str, object]:
        types = [_described(one) for one in client.types()]
        shown = types if as_json else [f"{one['type']} {one['state']}, {one['left']} left" for one in types]
        return {"serial": card.serial, "types": shown}

    _at_vending(session, read, as_json=as_json, **place)


@click.command
@type_argument
@click.option("--kiosk", metavar="NUMBER", default="KIOSK001", show_default=True, help="The kiosk's own number.")
@service_password
@service_options(KIOSK_TERMINAL)
def issue(session: Session, type_: int, kiosk: str, password: Source, as_json: bool, **place: Any) -> None:
    """Have a certificate issued at a kiosk, with the holder's password (4 to 8 digits).

    The card counts it, writes it down and signs a statement, which is verified with the card's certified key as the
    kiosk's server would. The terminal needs the right vending: juki terminal new kiosk --rights vending.

    \b
    Examples:
      juki vending issue resident-record --reader pcsc:
      juki vending issue seal-registration --kiosk HALL0002 --reader pcsc: --password-file password.txt --json
    """
    try:
        request = Request(type_, f"{session.world.today:%Y%m%d}", kiosk, session.world.random(CHALLENGE_SIZE))
    except VendingError as error:
        raise click.UsageError(str(error)) from None
    holder = password.holder(most=PASSWORD_MAXIMUM)

    def write(authority: Authority, client: VendingClient, card: CertifiedKey) -> dict[str, object]:
        chain = client.key_certificates()
        key = certified(authority, Area.MUNICIPAL, chain, LeafUsage.DIGITAL_SIGNATURE, session.world.today)
        if key.serial != card.serial:
            raise AuthenticationFailed("card certificate", "the key of the service is another card's")
        verify(client, holder)
        done, signature = client.issue(request, key.public_key)
        return {"serial": card.serial, **_issued(done), "statement": signature.hex()}

    _at_vending(session, write, as_json=as_json, **place)


@click.command
@service_password
@service_options(OFFICE_TERMINAL)
def log(session: Session, password: Source, as_json: bool, **place: Any) -> None:
    """List what was issued with a card last, the newest first, with the holder's password.

    \b
    Example:
      juki vending log --reader pcsc:
    """
    holder = password.holder(most=PASSWORD_MAXIMUM)

    def read(authority: Authority, client: VendingClient, card: CertifiedKey) -> dict[str, object]:
        verify(client, holder)
        issues = [_issued(one) for one in client.issues()]
        shown = issues if as_json else [f"{one['number']}: {one['type']} {one['day']} {one['kiosk']}" for one in issues]
        return {"serial": card.serial, "issues": shown}

    _at_vending(session, read, as_json=as_json, **place)


@click.command
@type_argument
@service_options(OFFICE_TERMINAL)
def block(session: Session, type_: int, as_json: bool, **place: Any) -> None:
    """Block one type of certificate at the office; the others are issued as before.

    \b
    Example:
      juki vending block seal-registration --reader pcsc:
    """
    _set(session, type_, as_json=as_json, usable=False, left=None, **place)


@click.command
@type_argument
@click.option(
    "--left", type=click.IntRange(0, 65535), help="How many may be issued from now on (else as many as were)."
)
@service_options(OFFICE_TERMINAL)
def allow(session: Session, type_: int, left: int | None, as_json: bool, **place: Any) -> None:
    """Let a type of certificate be issued again at the office, or more of it.

    \b
    Examples:
      juki vending allow seal-registration --reader pcsc:
      juki vending allow resident-record --left 30 --reader pcsc:
    """
    _set(session, type_, as_json=as_json, usable=True, left=left, **place)


def _set(session: Session, number: int, *, usable: bool, left: int | None, as_json: bool, **place: Any) -> None:
    def write(authority: Authority, client: VendingClient, card: CertifiedKey) -> dict[str, object]:
        return {"serial": card.serial, **_described(client.set_type(number, usable=usable, left=left))}

    _at_vending(session, write, as_json=as_json, **place)


def _at_vending(
    session: Session,
    action: Action,
    *,
    reader: ReaderSpec,
    terminal: str,
    authority_password: Source,
    as_json: bool,
) -> None:
    with opened(session, reader, terminal, authority_password) as (authority, connection):
        client, card = at_service(session, authority, connection, terminal, VendingClient)
        facts = action(authority, client, card)
    print_facts(facts, as_json=as_json)


def _described(one: CertificateType) -> dict[str, object]:
    return {"type": one.name, "state": "usable" if one.usable else "blocked", "left": one.left}


def _issued(one: Issue) -> dict[str, object]:
    request = one.request
    name = NAMES.get(request.type, f"{request.type:02x}")
    day = f"{request.day[:4]}-{request.day[4:6]}-{request.day[6:]}"
    return {"number": one.number, "type": name, "day": day, "kiosk": request.kiosk}
