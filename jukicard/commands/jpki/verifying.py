"""`juki jpki verify`: whether a file was signed by the resident whose certificate comes with the signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path

import click

from jukicard.applets.jpki.layout import Usage
from jukicard.commands.options import day_option, home_option, json_option, print_facts
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.certificates import from_pem
from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.jpki.attributes import ResidentAttributes
from jukicard.issuer.jpki.authority import CertificateAuthority, ca_file
from jukicard.issuer.jpki.cms import MAX_SIGNATURE_BYTES, verify_detached
from jukicard.issuer.jpki.profile import JAPAN
from jukicard.issuer.jpki.revocation import Crl
from jukicard.issuer.jpki.verification import Check, RevocationSource, verify_certificate

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LARGEST_CONTENT = 1 << 30
_LARGEST_LIST = 1 << 26
_LARGEST_CA = 1 << 20
_USAGE = Usage.SIGNATURE


@click.command
@click.argument("file", type=_FILE)
@click.option("--signature", type=_FILE, required=True, help="The detached signature (CMS, DER or PEM).")
@click.option("--ca", type=_FILE, multiple=True, help="A CA that is trusted, PEM or DER (else the home's own).")
@click.option("--crl", type=_FILE, multiple=True, help="A revocation list, PEM or DER (else the home's own books).")
@day_option("--at", "Verify as at noon of that day in Japan (else now).")
@home_option
@json_option
@pass_session
def verify(
    session: Session,
    file: Path,
    signature: Path,
    ca: tuple[Path, ...],
    crl: tuple[Path, ...],
    at: date | None,
    as_json: bool,
) -> None:
    """Verify a detached signature, and the signer's certificate up to its CA.

    Each check is named; the first that fails ends it, with exit code 1. The time in the signature is what the signer
    claims. Without --ca and --crl the home's own CA is trusted, and its books say what is revoked.

    \b
    Examples:
      juki jpki verify contract.pdf --signature contract.p7s
      juki jpki verify contract.pdf --signature contract.p7s --ca ca.pem --crl ca.crl --at 2026-12-01
    """
    moment = session.world.now() if at is None else datetime.combine(at, time(12), JAPAN)
    signed = verify_detached(_read(signature, MAX_SIGNATURE_BYTES), _read(file, _LARGEST_CONTENT))
    session.facts.update({"signature": "verifies", "signing_time_claimed": signed.signing_time.isoformat()})
    lists = [Crl.load(_read(path, _LARGEST_LIST)) for path in crl]
    with _trusted(session, ca, lists) as (trust, sources):
        verified = verify_certificate(signed.certificate, trust, _USAGE, moment, sources)
    checks = [check.value for check in Check if check is not Check.REVOCATION or verified.revocation]
    facts = {
        **session.facts,
        "verified_at": moment.isoformat(),
        "checks": checks,
        "not_revoked_by": verified.revocation or "not checked: give --crl FILE",
        **_items(ResidentAttributes.read(signed.certificate)),
    }
    print_facts(facts, as_json=as_json)


def _items(attributes: ResidentAttributes) -> dict[str, str | None]:
    """The signer's four items, as facts."""
    return {
        "name": attributes.name,
        "name_substituted": attributes.name_substituted,
        "sex": attributes.sex,
        "birth": attributes.birth,
        "birth_date": None if attributes.birth_date is None else attributes.birth_date.isoformat(),
        "address": attributes.address,
        "address_substituted": attributes.address_substituted,
    }


@contextmanager
def _trusted(
    session: Session, given: Sequence[Path], lists: Sequence[Crl]
) -> Iterator[tuple[list[bytes], Sequence[RevocationSource]]]:
    """The trusted CAs' certificates (DER), and what tells of revocations: the home's books where its own CA is trusted
    and no list was given.
    """
    if given:
        yield [der for path in given for der in _certificates(path)], lists
        return
    with session.authority(None) as authority:
        if not ca_file(authority.home, _USAGE).exists():
            raise click.UsageError("this home has no CA of the JPKI yet: which CA is trusted? --ca FILE")
        own = CertificateAuthority(authority, session.world.today, session.world.random)
        yield [own.ca_certificate(_USAGE)], lists or [own.books(_USAGE)]


def _certificates(path: Path) -> tuple[bytes, ...]:
    content = _read(path, _LARGEST_CA)
    if not content.lstrip().startswith(b"-----BEGIN"):
        return (content,)
    try:
        return from_pem(content)
    except CertificateProfileError as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--ca") from None


def _read(path: Path, maximum: int) -> bytes:
    """A file's content. UsageError if it is longer than that; OSError."""
    with path.open("rb") as file:
        content = file.read(maximum + 1)
    if len(content) > maximum:
        raise click.UsageError(f"{path} is longer than {maximum} bytes")
    return content
