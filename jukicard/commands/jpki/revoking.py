"""`juki jpki revoke` and `crl`: certificates made void, and the list that says so."""

from __future__ import annotations

import re
from pathlib import Path

import click
from cryptography import x509

from jukicard.applets.jpki.layout import Usage
from jukicard.commands.attendance import office_options, operator_options
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import REVOKE_CERTIFICATE
from jukicard.issuer.files import write_atomically
from jukicard.issuer.jpki import register
from jukicard.issuer.jpki.authority import CertificateAuthority
from jukicard.issuer.jpki.crl import LIFETIME
from jukicard.issuer.jpki.register import BY_OFFICE
from jukicard.issuer.ledger.details import RevocationReason

_NUMBER = re.compile(r"[0-9a-f]{2,40}")


def _number(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Read a certificate's serial number, as openssl and others write it."""
    if value is None:
        return None
    digits = value.lower().replace(":", "")
    if not _NUMBER.fullmatch(digits):
        raise click.BadParameter("a certificate's serial number has 2 to 40 hex digits", ctx, param)
    return digits


@click.command
@click.argument("serial", required=False)
@click.option("--certificate", callback=_number, metavar="HEX", help="The one certificate with this serial number.")
@click.option("--reason", type=click.Choice([str(reason) for reason in BY_OFFICE]), required=True, help="Why.")
@office_options(REVOKE_CERTIFICATE)
@home_option
@json_option
@pass_session
def revoke(session: Session, serial: str | None, certificate: str | None, reason: str, as_json: bool) -> None:
    """Revoke the certificates of a card (SERIAL), or one of them, for good.

    What the books say of a card revokes its certificates without this: that it is void or lost, that its holder has
    another name or address, that it was renewed.

    \b
    Examples:
      juki jpki revoke 799201000000001 --reason cessation-of-operation
      juki jpki revoke --certificate 5371ace57c727e59673d971e6fd5e367 --reason key-compromise
    """
    if serial is None and certificate is None:
        raise click.UsageError("which certificates? a card's SERIAL, or --certificate HEX")
    with session.office() as authority:
        revoked = register.revoke(
            authority.ledger, session.world.now(), RevocationReason(reason), card=serial, number=certificate
        )
    facts = {
        "card": revoked[0].card,
        "revoked": [one.number for one in revoked],
        "usages": [one.usage.value for one in revoked],
        "reason": reason,
    }
    print_facts(facts, as_json=as_json)


@click.command
@click.option(
    "--usage",
    type=click.Choice([str(usage) for usage in Usage]),
    default=Usage.SIGNATURE.value,
    show_default=True,
    help="Whose list: the CA of certificates for that use.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where to write it (DER).")
@operator_options(REVOKE_CERTIFICATE)
@authority_password
@home_option
@json_option
@pass_session
def crl(session: Session, usage: str, out: Path, authority_password: Source, as_json: bool) -> None:
    """Sign the revocation list of a CA, by what the books say now; it is valid for a day.

    \b
    Example:
      juki jpki crl --usage signature --out signature.crl
    """
    chosen = Usage(usage)
    now = session.world.now()
    with session.authority(authority_password.read()) as authority, session.operator(authority):
        ca = CertificateAuthority(authority, session.world.today, session.world.random)
        encoded = ca.crl(chosen, now)
    write_atomically(out, encoded, 0o644)
    listed = len(x509.load_der_x509_crl(encoded))
    facts = {"usage": usage, "file": str(out), "revoked": listed, "next_update": (now + LIFETIME).isoformat()}
    print_facts(facts, as_json=as_json)
