"""Whose key counts for a signer in the books: only certificates that are an operator's of this home, or its seal's."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from jukicard.applets.operator.records import operator_serial
from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority import permissions as p
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.authority.seals import seal_file
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.ledger.group import AUTHORITY
from jukicard.issuer.operators.register import Operators
from jukicard.issuer.operators.trust import HomeTrust
from jukicard.testing.seeds import randomness
from tests.support.issued import AUTHORITY_PASSWORD, CITY, TODAY
from tests.support.operators import Bureau

SERIAL = operator_serial(CITY.code, 3)
KEY = ec.derive_private_key(1947, ec.SECP256R1())
OPERATOR = x.Request(
    x.OPERATOR,
    x.Subject(f"Juki operator {SERIAL}", CITY.name, CITY.code, SERIAL),
    KEY.public_key(),
    TODAY,
    TODAY,
    permissions=p.ROLES["clerk"],
)
RANDOM = randomness("trust")


def placed(bureau: Bureau, chain: Iterable[bytes], serial: str = SERIAL) -> HomeTrust:
    """Put certificates where those of an operator of the home belong."""
    (bureau.home / "operators" / f"{serial}.pem").write_bytes(x.to_pem(tuple(chain)))
    return HomeTrust(bureau.authority)


def test_an_operator_counts_whether_revoked_or_not(bureau: Bureau) -> None:
    operators = Operators(bureau.authority)
    operator = operators.operator(SERIAL)
    assert HomeTrust(bureau.authority)(SERIAL) == operator.public_key
    operators.revoke(SERIAL, today=TODAY)
    assert HomeTrust(bureau.authority)(SERIAL) == operator.public_key


@pytest.mark.parametrize("signer", [operator_serial(CITY.code, 77), f"../operators/{SERIAL}", "", "nobody"])
def test_nobody_else_is_known(bureau: Bureau, signer: str) -> None:
    assert HomeTrust(bureau.authority)(signer) is None


def test_an_operator_whom_the_homes_card_ca_certified_counts(bureau: Bureau) -> None:
    leaf = x.issue(bureau.authority.card_signer(Area.JUKI), OPERATOR, RANDOM)
    trust = placed(bureau, (*bureau.authority.card_authorities(Area.JUKI), leaf))
    assert trust(SERIAL) == KEY.public_key()


def test_no_operator_signs_as_another(bureau: Bureau) -> None:
    other = Operators(bureau.authority).operator(operator_serial(CITY.code, 4))
    with pytest.raises(HomeDamaged, match="another operator's"):
        placed(bureau, other.certificates)(SERIAL)


def test_a_residents_card_signs_as_no_operator(bureau: Bureau) -> None:
    authority = bureau.authority
    leaf = authority.certify_card(
        Area.JUKI, x.CARD_AUTHENTICATION, SERIAL, KEY.public_key(), not_before=TODAY, not_after=TODAY
    )
    with pytest.raises(HomeDamaged, match="no operator's certificates"):
        placed(bureau, (*authority.card_authorities(Area.JUKI), leaf))(SERIAL)


def test_nobodys_card_ca_makes_operators(bureau: Bureau, tmp_path: Path) -> None:
    national = NationalRoot.init(tmp_path / "other", "password", today=TODAY, random=RANDOM)
    with pytest.raises(HomeDamaged, match="not this home's"):
        placed(bureau, certified_by(tmp_path, CITY, national))(SERIAL)


def test_another_municipalitys_operator_is_none_of_this_home(bureau: Bureau, tmp_path: Path) -> None:
    serial = operator_serial("12210", 1)
    national = NationalRoot.open(bureau.home / "national", AUTHORITY_PASSWORD, random=RANDOM)
    chain = certified_by(tmp_path, City("12210", "茂原市"), national, serial)
    with pytest.raises(HomeDamaged, match="another municipality's"):
        placed(bureau, chain, serial)(serial)


def test_no_card_certifies_operators(bureau: Bureau) -> None:
    """The card's own certificate is genuine, and its key signed the one below."""
    authority = bureau.authority
    card = ec.derive_private_key(1948, ec.SECP256R1())
    above = authority.certify_card(
        Area.JUKI, x.CARD_AUTHENTICATION, "7" + SERIAL[1:], card.public_key(), not_before=TODAY, not_after=TODAY
    )
    genuine = x509.load_der_x509_certificate(x.issue(authority.card_signer(Area.JUKI), OPERATOR, RANDOM))
    day = dt.datetime(TODAY.year, TODAY.month, TODAY.day)
    builder = x509.CertificateBuilder(
        x509.load_der_x509_certificate(above).subject, genuine.subject, KEY.public_key(), 1, day, day
    )
    for extension in genuine.extensions:
        if extension.oid != x509.AuthorityKeyIdentifier.oid:
            builder = builder.add_extension(extension.value, extension.critical)
    forged = builder.sign(card, hashes.SHA256())
    leaf = forged.public_bytes(Encoding.DER)
    with pytest.raises(HomeDamaged, match="not an authority's"):
        placed(bureau, (*authority.card_authorities(Area.JUKI), above, leaf))(SERIAL)


def certified_by(folder: Path, city: City, national: NationalRoot, serial: str = SERIAL) -> tuple[bytes, ...]:
    """An operator's certificates from another authority, below a national root."""
    request = replace(OPERATOR, subject=x.Subject(f"Juki operator {serial}", city.name, city.code, serial))
    with Authority.init(folder / city.code, city, "password", today=TODAY, national=national, random=RANDOM) as other:
        leaf = x.issue(other.card_signer(Area.JUKI), request, RANDOM)
        return (*other.card_authorities(Area.JUKI), leaf)


# --- the seal


def test_the_seal_is_the_one_that_the_municipal_root_certified(bureau: Bureau) -> None:
    bureau.authority.ledger.seal()
    key = HomeTrust(bureau.authority)(AUTHORITY)
    assert key is not None
    assert key == bureau.authority.keys.public_key("ledger-seal")
    seal_file(bureau.home).unlink()
    assert HomeTrust(bureau.authority)(AUTHORITY) is None


def test_nothing_else_seals(bureau: Bureau, tmp_path: Path) -> None:
    authority = bureau.authority
    dates = {"not_before": TODAY, "not_after": TODAY}
    card = authority.certify_card(Area.MUNICIPAL, x.CARD_AUTHENTICATION, "7" + SERIAL[1:], KEY.public_key(), **dates)
    channel = authority.certify_card(Area.MUNICIPAL, x.CARD_CHANNEL, "7" + SERIAL[1:], KEY.public_key(), **dates)
    juki = authority.certify_card(Area.JUKI, x.CARD_AUTHENTICATION, "7" + SERIAL[1:], KEY.public_key(), **dates)
    shutil.copy(seal_file(bureau.home), tmp_path / "seal.pem")
    (seal,) = x.from_pem((tmp_path / "seal.pem").read_bytes())
    for chain in ((card,), (channel,), (juki,), (seal, seal), (seal[:-1] + b"\0",)):
        seal_file(bureau.home).write_bytes(x.to_pem(chain))
        with pytest.raises(HomeDamaged, match="seal"):
            HomeTrust(authority)(AUTHORITY)
