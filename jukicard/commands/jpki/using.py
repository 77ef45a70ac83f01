"""`juki jpki show`, `sign` and `password`: what a holder does with the card, this project's or a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import PROFILES, Usage
from jukicard.commands.jpki.passwords import asked, key_password, new_key_password, sign_password, usage_option
from jukicard.commands.options import json_option, print_facts, reader_option
from jukicard.commands.passwords import Source
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.errors import CardStatusError, NoCard
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.files import read_file, write_atomically
from jukicard.issuer.jpki.attributes import ResidentAttributes
from jukicard.issuer.jpki.cms import sign_detached
from jukicard.issuer.jpki.profile import JAPAN

if TYPE_CHECKING:
    from jukicard.reader.spec import ReaderSpec

_LARGEST_CONTENT = 1 << 30
_PUBLIC_FILE = 0o644


@click.command
@reader_option
@click.option("--holder", is_flag=True, help="Show the signature certificate, too: it names the holder.")
@sign_password
@json_option
@pass_session
def show(session: Session, reader: ReaderSpec, holder: bool, password: Source, as_json: bool) -> None:
    """Show what a card's JPKI application says: tries left, certificates, with the password whose they are.

    Without --holder (or a password's file) nothing is asked for and no try is spent. Works with real My Number cards.

    \b
    Examples:
      juki jpki show --reader pcsc:
      juki jpki show --reader pcsc: --holder
    """
    given = asked(password, Usage.SIGNATURE) if holder or password.given else None
    with _application(session, reader) as client:
        token, there = client.token_info(), client.usages()
        facts: dict[str, object] = {
            "label": token.label,
            "serial": token.serial,
            "profile": None if token.profile is None else token.profile.name.lower(),
        }
        for usage in PROFILES[token.profile] if token.profile else Usage:
            facts[f"{usage}_tries_left"] = client.tries(usage)
        if Usage.AUTHENTICATION in there:
            facts.update(_certificate("authentication", client.certificate(Usage.AUTHENTICATION)))
        if given is not None and Usage.SIGNATURE in there:
            client.verify(Usage.SIGNATURE, given().encode())
            facts.update(_holders(client.certificate(Usage.SIGNATURE)))
    print_facts(facts, as_json=as_json)


@click.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The signature (else FILE.p7s).")
@usage_option
@reader_option
@key_password
@json_option
@pass_session
def sign(
    session: Session, file: Path, out: Path | None, usage: Usage, reader: ReaderSpec, password: Source, as_json: bool
) -> None:
    """Sign a file with the card: a detached signature (CMS, DER), with the signer's certificate in it.

    A signature certificate carries the holder's name, birth date, sex and address: whoever gets the signature can read
    them. Works with real My Number cards.

    \b
    Examples:
      juki jpki sign contract.pdf --reader pcsc:
      juki jpki sign contract.pdf --reader pcsc: --out contract.p7s --password-file sign.txt
    """
    given = asked(password, usage)
    content = read_file(file, _LARGEST_CONTENT)
    target = out or file.with_name(f"{file.name}.p7s")
    if target.resolve() == file.resolve():
        raise click.UsageError(f"{target} is the file to be signed: name another with --out")
    with _application(session, reader) as client:
        client.verify(usage, given().encode())
        certificate = client.certificate(usage)
        message = sign_detached(
            content, certificate, session.world.now(), lambda digest_info: client.sign(usage, digest_info)
        )
    write_atomically(target, message, _PUBLIC_FILE)
    facts = {"file": str(file), "signature": str(target), **_certificate("signer", certificate)}
    print_facts(facts, as_json=as_json)


@click.command
@usage_option
@reader_option
@key_password
@new_key_password
@json_option
@pass_session
def password(
    session: Session, usage: Usage, reader: ReaderSpec, password: Source, new_password: Source, as_json: bool
) -> None:
    """Change a password of the JPKI: the old one, then a new one.

    A wrong old one costs a try. The signature password has 6 to 16 capital letters and digits, the authentication
    password 4 digits.

    \b
    Examples:
      juki jpki password --reader pcsc:
      juki jpki password --reader pcsc: --key authentication --password-file old.txt --new-password-file new.txt
    """
    old, new = asked(password, usage), asked(new_password, usage, new=True)
    with _application(session, reader) as client:
        client.verify(usage, old().encode())
        client.change_password(usage, new().encode())
    print_facts({"key": usage.value, "password": "changed"}, as_json=as_json)


@contextmanager
def _application(session: Session, reader: ReaderSpec) -> Iterator[JpkiClient]:
    """Select the application, in one transaction; it is selected again at the end, so that nothing stays verified."""
    with session.card(reader) as connection, connection.transaction():
        client = JpkiClient(standard(connection))
        try:
            client.select()
        except CardStatusError as error:
            if error.sw is not StatusWord.FILE_NOT_FOUND:
                raise
            raise NoCard("the card has no JPKI application: it is made at the counter, by juki jpki enrol") from None
        yield client
        client.select()


def _certificate(name: str, certificate: bytes) -> dict[str, object]:
    """What anybody may know of a certificate."""
    from cryptography import x509

    read = x509.load_der_x509_certificate(certificate)
    return {
        f"{name}_certificate": f"{read.serial_number:x}",
        f"{name}_issuer": read.issuer.rfc4514_string(),
        f"{name}_valid_from": read.not_valid_before_utc.astimezone(JAPAN).isoformat(),
        f"{name}_valid_until": read.not_valid_after_utc.astimezone(JAPAN).isoformat(),
    }


def _holders(certificate: bytes) -> dict[str, object]:
    """What the signature certificate says, its holder's items included."""
    facts = _certificate("signature", certificate)
    try:
        items = ResidentAttributes.read(certificate)
    except CertificateProfileError:
        return {**facts, "holder": "the certificate has not the four items in it"}
    born = items.birth_date
    return {
        **facts,
        "name": items.name,
        "birth_date": items.birth if born is None else born.isoformat(),
        "sex": {"1": "male", "2": "female"}.get(items.sex, "not known"),
        "address": items.address,
    }
