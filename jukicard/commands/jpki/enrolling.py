"""`juki jpki enrol` and `unblock`: what the office does with a card's certificates and passwords."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.applets.jpki.layout import Profile, Usage
from jukicard.commands.attendance import operator_options
from jukicard.commands.dialogue import issuer_access
from jukicard.commands.jpki.passwords import asked, authentication_password, key_password, sign_password, usage_option
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.records import read_record
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import ISSUE_CERTIFICATE, RESET_PASSWORD
from jukicard.issuer.counter.authentication import COUNTER_TERMINAL
from jukicard.issuer.counter.enrolment import Application, Enrolment
from jukicard.issuer.jpki.authority import CertificateAuthority
from jukicard.issuer.records.resident import RecordRules

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

_PROFILES = {profile.name.lower(): profile for profile in Profile}


@click.command
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--row", type=click.IntRange(1), help="Which resident of a CSV file, 1 being the first.")
@click.option(
    "--profile",
    type=click.Choice(list(_PROFILES)),
    default="juki",
    show_default=True,
    help="Like a Juki card (signature key, three years) or like a My Number card (both keys, five years).",
)
@click.option("--renew", is_flag=True, help="Replace certificates that are still good.")
@reader_option
@terminal_option(COUNTER_TERMINAL)
@sign_password
@authentication_password
@operator_options(ISSUE_CERTIFICATE)
@authority_password
@home_option
@json_option
@pass_session
def enrol(
    session: Session,
    record: Path,
    row: int | None,
    profile: str,
    renew: bool,
    reader: ReaderSpec,
    terminal: str,
    password: Source,
    authentication_password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Make keys and certificates of the JPKI on an active card, whose holder chooses the passwords.

    RECORD is the holder's as it is today: name, birth date, sex and address go into the signature certificate. It must
    be the record of the card's holder. The card makes its RSA keys itself; certificates are valid for three years
    (--profile mynumber: five), and never longer than the card. An interrupted enrolment is done again by the same
    command.

    \b
    Examples:
      juki jpki enrol examples/residents/taro.json --reader pcsc: --password-file sign.txt
      juki jpki enrol taro.json --reader pcsc: --profile mynumber --renew
    """
    chosen = _PROFILES[profile]
    passwords = {Usage.SIGNATURE: asked(password, Usage.SIGNATURE, new=True)}
    if chosen is Profile.MYNUMBER:
        passwords[Usage.AUTHENTICATION] = asked(authentication_password, Usage.AUTHENTICATION, new=True)
    elif authentication_password.given:
        raise click.UsageError("a card like a Juki card has no authentication key: --profile mynumber")
    world = session.world
    with issuer_access(session, reader, terminal, authority_password) as access:
        rules = RecordRules(world.today, access.authority.city.code)
        application = Application(read_record(record, row, rules), chosen, renew)
        ca = CertificateAuthority(access.authority, world.today, world.random)
        made = Enrolment(access, ca, world.now).enrol(application, passwords)
    facts = {
        "serial": made[0].card,
        "profile": profile,
        "certificates": [one.number for one in made],
        "usages": [one.usage.value for one in made],
        "expires": made[0].expires.isoformat(),
    }
    print_facts(facts, as_json=as_json)


@click.command
@usage_option
@reader_option
@terminal_option(COUNTER_TERMINAL)
@key_password
@operator_options(RESET_PASSWORD)
@authority_password
@home_option
@json_option
@pass_session
def unblock(
    session: Session,
    usage: Usage,
    reader: ReaderSpec,
    terminal: str,
    password: Source,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Set a password of the JPKI anew at the office, and give back its tries.

    For a holder who forgot or blocked it, and is there in person to choose another. Only the municipality that issued
    the card can do that.

    \b
    Example:
      juki jpki unblock --reader pcsc: --key signature --password-file new.txt
    """
    chosen = asked(password, usage, new=True)
    with issuer_access(session, reader, terminal, authority_password) as access:
        serial = access.unblock_password(usage, chosen)
    print_facts({"serial": serial, "key": usage.value, "password": "reset"}, as_json=as_json)
