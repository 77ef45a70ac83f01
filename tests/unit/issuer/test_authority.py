"""The authority's home, its certificates and its terminals."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority import certificates as c
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.authority.terminals import JUKI_RIGHTS, Area, parse_rights, right_name
from jukicard.issuer.errors import (
    CertificateProfileError,
    HomeDamaged,
    HomeExists,
    HomeMissing,
    IssuerError,
    KeyMisuse,
    KeyStoreDamaged,
    KeyStoreLocked,
    RuleRefused,
    TerminalError,
    WrongAuthorityPassword,
)
from jukicard.issuer.files import write_atomically
from jukicard.issuer.keys.keystore import Diversification
from jukicard.issuer.keys.storagekey import ensure_storage_key
from jukicard.issuer.ledger.group import CardTerms, Resident
from jukicard.issuer.line.cardkeys import CardKeyring, key_sets
from jukicard.issuer.records.codes import ResidentCode
from jukicard.securechannel.authorization import Right, Role
from jukicard.securechannel.certificates import CertificateError, LeafUsage, verify_chain
from jukicard.securechannel.host import TerminalKey
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, InitializeUpdateResponse, derive_session_keys

TODAY = date(2026, 11, 21)
NUMBER = 20261121
PASSWORD = "a bureau's long password"
CITY = City("99201", "見本市", "見本市役所　市民課　TEL 012-345-6789")
SERIAL = "799201000000001"


def randomness(seed: int = 0) -> Callable[[int], bytes]:
    state = [seed]

    def random(size: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(state[0].to_bytes(8, "big")).digest(size)

    return random


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests that only look at it."""
    home: Path = tmp_path_factory.mktemp("made") / "home"
    Authority.init(home, CITY, PASSWORD, today=TODAY, random=randomness()).close()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def card_key(number: int = 1) -> ec.EllipticCurvePublicKey:
    return ec.derive_private_key(0x10000 + number, ec.SECP256R1()).public_key()


def certify(authority: Authority, area: Area, profile: c.Profile) -> bytes:
    return authority.certify_card(area, profile, SERIAL, card_key(), not_before=TODAY, not_after=date(2036, 11, 20))


def test_everything_is_private(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    for name in ("authority.json", "keys.json", "storage.key", "ledger.sqlite", "national/keys.json"):
        assert stat.S_IMODE((made / name).stat().st_mode) == 0o600, name
    assert not [p for p in made.parent.iterdir() if p != made]


def test_what_an_authority_knows_of_itself(made: Path) -> None:
    with Authority.open(made) as authority:
        assert authority.city == CITY
        assert len(authority.storage_key) == 32
        assert authority.ledger.entries() == ()
        assert [t.name for t in authority.terminals()] == ["counter", "issuing-machine", "municipal-service"]
        assert "99201" in repr(authority)


def test_without_the_password_there_are_no_keys(made: Path) -> None:
    with Authority.open(made) as authority:
        for action in (
            lambda: authority.keys,
            lambda: authority.terminal_key("counter"),
            lambda: authority.code_digest(ResidentCode.parse("24727059608")),
            lambda: certify(authority, Area.JUKI, c.CARD_CHANNEL),
            lambda: authority.new_terminal("x", Role.CS, [Right.IDENTIFY], not_before=TODAY),
            lambda: authority.export_terminal("counter", with_key=True),
        ):
            with pytest.raises(KeyStoreLocked):
                action()
        assert b"CERTIFICATE" in authority.export_terminal("counter")


def test_the_first_terminals(made: Path) -> None:
    with Authority.open(made) as authority:
        machine, counter = authority.terminal("issuing-machine"), authority.terminal("counter")
        service = authority.terminal("municipal-service")
    assert machine.authorization.rights == {Right.MATCH}
    assert machine.authorization.role is Role.ISSUING_MACHINE
    assert counter.authorization.rights == JUKI_RIGHTS - {Right.MATCH}
    assert service.authorization.rights == {Right.MUNICIPAL_SERVICE}
    assert [t.area for t in (machine, counter, service)] == [Area.JUKI, Area.JUKI, Area.MUNICIPAL]
    assert {t.authorization.municipality for t in (machine, counter, service)} == {"99201"}
    assert (counter.not_before, counter.not_after) == (TODAY, date(2038, 11, 20))


@pytest.mark.parametrize("name", ["counter", "issuing-machine", "municipal-service"])
def test_terminals_verify_under_their_own_anchor_only(made: Path, name: str) -> None:
    with Authority.open(made) as authority:
        terminal = authority.terminal(name)
        other = Area.MUNICIPAL if terminal.area is Area.JUKI else Area.JUKI
        verified = verify_chain(authority.anchor(terminal.area), terminal.certificates, today=NUMBER)
        assert verified.authorization == terminal.authorization
        with pytest.raises(CertificateError, match="signature"):
            verify_chain(authority.anchor(other), terminal.certificates, today=NUMBER)


@pytest.mark.parametrize("area", list(Area))
@pytest.mark.parametrize(
    ("profile", "usage"),
    [(c.CARD_AUTHENTICATION, LeafUsage.DIGITAL_SIGNATURE), (c.CARD_CHANNEL, LeafUsage.KEY_AGREEMENT)],
)
def test_cards_verify_under_their_areas_anchor_and_have_no_rights(
    made: Path, area: Area, profile: c.Profile, usage: LeafUsage
) -> None:
    with Authority.open(made, PASSWORD) as authority:
        leaf = certify(authority, area, profile)
        chain = (*authority.card_authorities(area), leaf)
        verified = verify_chain(authority.anchor(area), chain, today=NUMBER, usage=usage)
        assert verified.authorization is None
        assert verified.public_key == card_key()
        assert c.Subject.read(leaf) == c.Subject(f"Juki card {SERIAL}", "見本市", "99201", SERIAL)
        wrong_usage = next(u for u in LeafUsage if u is not usage)
        with pytest.raises(CertificateError, match="usage"):
            verify_chain(authority.anchor(area), chain, today=NUMBER, usage=wrong_usage)
        with pytest.raises(KeyMisuse):
            certify(authority, area, c.TERMINAL)


def test_ca_names_carry_test(made: Path) -> None:
    with Authority.open(made) as authority:
        cas = [
            authority.national_root,
            authority.anchor_certificate(Area.MUNICIPAL),
            *authority.card_authorities(Area.JUKI),
            authority.terminal("counter").certificates[0],
        ]
    assert all("TEST" in c.Subject.read(der).common_name for der in cas)
    assert len({c.Subject.read(der).common_name for der in cas}) == 4


def test_new_terminals(home: Path) -> None:
    with Authority.open(home, PASSWORD) as authority:
        expired = authority.new_terminal(
            "expired",
            Role.COUNTER,
            [Right.IDENTIFY],
            not_before=date(2020, 1, 1),
            not_after=date(2021, 12, 31),
        )
        powerless = authority.new_terminal("powerless", Role.KIOSK, [], not_before=TODAY)
        library = authority.new_terminal("library", Role.MUNICIPAL_SERVICE, [], not_before=TODAY)
        assert (expired.not_before, expired.not_after) == (date(2020, 1, 1), date(2021, 12, 31))
        with pytest.raises(CertificateError, match="expired"):
            verify_chain(authority.anchor(Area.JUKI), expired.certificates, today=NUMBER)
        assert (powerless.area, library.area) == (Area.JUKI, Area.MUNICIPAL)
        assert powerless.authorization.rights == frozenset()
    with Authority.open(home) as again:
        assert again.terminal("expired") == expired
        assert again.terminal("library") == library
        assert len(again.terminals()) == 6


def test_terminals_that_cannot_be(home: Path) -> None:
    with Authority.open(home, PASSWORD) as authority:
        before = authority.keys.labels(), authority.terminals()
        for name, rights, reason in (
            ("counter", [Right.MATCH], "already"),
            ("Counter", [Right.MATCH], "name"),
            ("../x", [Right.MATCH], "name"),
            ("mixed", [Right.MATCH, Right.MUNICIPAL_SERVICE], "municipal-service"),
        ):
            with pytest.raises(TerminalError, match=reason):
                authority.new_terminal(name, Role.COUNTER, rights, not_before=TODAY)
        with pytest.raises(TerminalError, match="no terminal"):
            authority.terminal("unknown")
        assert (authority.keys.labels(), authority.terminals()) == before
        with pytest.raises(CertificateProfileError, match="outlive"):
            authority.new_terminal("long", Role.CS, [], not_before=TODAY, not_after=date(2099, 1, 1))


def test_an_interrupted_new_terminal_is_taken_up(home: Path) -> None:
    with Authority.open(home, PASSWORD) as authority:
        authority.new_terminal("kiosk", Role.KIOSK, [Right.IDENTIFY], not_before=TODAY)
        key = authority.keys.public_key("terminal:kiosk")
        (home / "terminals" / "kiosk.pem").unlink()
        again = authority.new_terminal("kiosk", Role.KIOSK, [Right.IDENTIFY], not_before=TODAY)
        verified = verify_chain(authority.anchor(Area.JUKI), again.certificates, today=NUMBER)
        assert verified.public_key == key


def test_a_terminals_key_agrees_without_leaving(made: Path) -> None:
    card = ec.derive_private_key(77, ec.SECP256R1())
    with Authority.open(made, PASSWORD) as authority:
        key: TerminalKey = authority.terminal_key("counter")
        leaf = verify_chain(authority.anchor(Area.JUKI), key.certificates, today=NUMBER).public_key
        assert key.agree(card.public_key()) == card.exchange(ec.ECDH(), leaf)


def test_export_with_and_without_the_key(made: Path) -> None:
    with Authority.open(made, PASSWORD) as authority:
        without = authority.export_terminal("counter")
        with_key = authority.export_terminal("counter", with_key=True)
        chain = authority.terminal("counter").certificates
    assert c.from_pem(without) == c.from_pem(with_key) == chain
    assert b"PRIVATE" not in without
    private = serialization.load_pem_private_key(with_key, None)
    assert private.public_key() == x509.load_der_x509_certificate(chain[-1]).public_key()


def test_the_keyring_tells_the_domains_by_their_key_versions(made: Path) -> None:
    def update(kvn: int) -> InitializeUpdateResponse:
        return InitializeUpdateResponse(bytes(10), kvn, 0x70, bytes(8), bytes(8), 1)

    with Authority.open(made, PASSWORD) as authority:
        keyring = CardKeyring(authority)
        issuer, juki, municipal = (keyring.session(update(used.kvn), bytes(16)) for used in key_sets("99201"))
        assert len({issuer.enc, juki.enc, municipal.enc}) == 3
        own = key_sets("99201")[1]
        card = Diversification(bytes(own.domain), bytes(10), own.kvn)
        assert juki == authority.keys.derive_session(authority.master_label(Area.JUKI, 1), card, bytes(16))
        assert keyring.session(update(0xFF), bytes(16)) == derive_session_keys(TRANSPORT_KEYS, bytes(16))
        with pytest.raises(AuthenticationFailed, match="key version 09"):
            keyring.session(update(0x09), bytes(16))


def test_the_digest_of_a_code_is_keyed(made: Path, tmp_path: Path) -> None:
    one, other = ResidentCode.parse("24727059608"), ResidentCode.parse("24846016224")
    with Authority.open(made, PASSWORD) as authority:
        digest = authority.code_digest(one)
        assert len(bytes.fromhex(digest)) == 32
        assert digest == authority.code_digest(one) != authority.code_digest(other)
        assert one.reveal() not in digest
        terms = CardTerms("99201", "A", TODAY, date(2036, 11, 20))
        serial = authority.ledger.order(terms, Resident(digest, None), datetime(2026, 11, 21, tzinfo=UTC))
        assert [state.serial for state in authority.ledger.cards_for(digest)] == [serial]
    with Authority.init(tmp_path / "h", CITY, PASSWORD, today=TODAY, random=randomness(1000)) as elsewhere:
        assert elsewhere.code_digest(one) != digest


def test_municipalities_share_a_national_root(tmp_path: Path) -> None:
    NationalRoot.init(tmp_path / "national", "national password", today=TODAY)
    national = NationalRoot.open(tmp_path / "national", "national password")
    mihon = Authority.init(tmp_path / "a", CITY, PASSWORD, today=TODAY, national=national)
    tonari = Authority.init(tmp_path / "b", City("99202", "隣町"), PASSWORD, today=TODAY, national=national)
    assert mihon.anchor(Area.JUKI) == tonari.anchor(Area.JUKI)
    assert mihon.anchor(Area.MUNICIPAL) != tonari.anchor(Area.MUNICIPAL)
    assert not (tmp_path / "a" / "national").exists()
    chain = tonari.terminal("counter").certificates
    verified = verify_chain(mihon.anchor(Area.JUKI), chain, today=NUMBER).authorization
    assert verified is not None
    assert verified.municipality == "99202"


def test_a_national_root_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    directory = tmp_path / "national"
    with pytest.raises(HomeMissing):
        NationalRoot.open(directory)
    NationalRoot.init(directory, PASSWORD, today=TODAY)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    with pytest.raises(HomeExists):
        NationalRoot.init(directory, PASSWORD, today=TODAY)
    with pytest.raises(WrongAuthorityPassword):
        NationalRoot.open(directory, "wrong")
    public = NationalRoot.open(directory)
    with pytest.raises(KeyStoreLocked, match="national"):
        Authority.init(tmp_path / "home", CITY, PASSWORD, today=TODAY, national=public)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["national"]
    (directory / "national.json").write_text("{}")
    with pytest.raises(HomeDamaged):
        NationalRoot.open(directory)


def test_late_authorities_end_with_their_root(tmp_path: Path) -> None:
    national = NationalRoot.init(tmp_path / "national", PASSWORD, today=TODAY)
    late = date(2050, 1, 1)
    with Authority.init(tmp_path / "home", CITY, PASSWORD, today=late, national=national) as authority:
        assert c.last_valid_day(authority.card_authorities(Area.JUKI)[0]) == date(2056, 11, 20)
        assert authority.terminal("counter").not_after == date(2056, 11, 20)


@pytest.mark.parametrize(
    ("code", "name", "contact"),
    [
        ("9920", "見本市", ""),
        ("992012", "見本市", ""),
        ("99201", "", ""),
        ("99201", "市" * 31, ""),
        ("99201", "市\n", ""),
    ],
)
def test_impossible_cities(code: str, name: str, contact: str) -> None:
    with pytest.raises(RuleRefused) as caught:
        City(code, name, contact)
    assert caught.value.exit_code == 1


def test_six_digits_are_five() -> None:
    assert City("992011", "見本市").code == "99201"


def test_an_existing_home_is_never_touched(home: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    with pytest.raises(HomeExists):
        Authority.init(home, CITY, PASSWORD, today=TODAY)
    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


class BrokenError(Exception):
    """What a test's randomness raises."""


def test_a_failed_init_leaves_nothing(tmp_path: Path) -> None:
    calls = [0]

    def failing_after(limit: int) -> Callable[[int], bytes]:
        calls[0] = 0

        def random(size: int) -> bytes:
            calls[0] += 1
            if calls[0] > limit:
                raise BrokenError
            return os.urandom(size)

        return random

    Authority.init(tmp_path / "whole", CITY, PASSWORD, today=TODAY, random=failing_after(1000)).close()
    total = calls[0]
    for limit in (*range(0, total, 15), total - 1):
        with pytest.raises(BrokenError):
            Authority.init(tmp_path / "home", CITY, PASSWORD, today=TODAY, random=failing_after(limit))
        assert [p.name for p in tmp_path.iterdir()] == ["whole"]


INITIALISER = """
import sys
from datetime import date
from pathlib import Path
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.description import City
print("ready", flush=True)
Authority.init(Path(sys.argv[1]), City("99201", "x"), sys.stdin.readline(), today=date(2026, 11, 21))
"""


@pytest.mark.parametrize("pause", [0.05, 0.2, 0.3])
def test_a_killed_init_leaves_no_half_home(tmp_path: Path, pause: float) -> None:
    command = [sys.executable, "-c", INITIALISER, os.fspath(tmp_path / "home")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write(PASSWORD + "\n")
        process.stdin.flush()
        time.sleep(pause)
        process.kill()
    if (tmp_path / "home").exists():
        Authority.open(tmp_path / "home", PASSWORD + "\n").close()
    else:
        Authority.init(tmp_path / "home", CITY, PASSWORD, today=TODAY).close()


def test_a_home_that_holds_only_a_storage_key_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    key = ensure_storage_key(tmp_path / "home" / "storage.key", lambda size: b"\x5a" * size)
    assert ensure_storage_key(tmp_path / "home" / "storage.key") == key == b"\x5a" * 32
    with Authority.init(tmp_path / "home", CITY, PASSWORD, today=TODAY) as authority:
        assert authority.storage_key == key
    assert [p.name for p in tmp_path.iterdir()] == ["home"]
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_homes_that_are_missing_or_damaged(home: Path, tmp_path: Path) -> None:
    with pytest.raises(HomeMissing):
        Authority.open(tmp_path / "nowhere")
    with pytest.raises(WrongAuthorityPassword):
        Authority.open(home, "wrong")
    (home / "storage.key").write_text("short")
    with pytest.raises(HomeDamaged, match="storage key"):
        _ = Authority.open(home).storage_key
    (home / "storage.key").chmod(0o644)
    with pytest.raises(HomeDamaged, match="private"):
        _ = Authority.open(home).storage_key
    (home / "certificates" / "card-ca.pem").write_text("nothing")
    with pytest.raises(HomeDamaged, match="card-ca"):
        Authority.open(home)


def test_a_home_open_to_others_is_refused(home: Path) -> None:
    home.chmod(0o755)
    with pytest.raises(HomeDamaged, match="private"):
        Authority.open(home)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "jukicard authority", "version": 2}'])
def test_descriptions_of_no_authority(home: Path, text: str) -> None:
    (home / "authority.json").write_text(text)
    with pytest.raises(HomeDamaged, match=r"authority\.json"):
        Authority.open(home)


def test_a_damaged_key_store_is_no_wrong_password(home: Path) -> None:
    (home / "keys.json").write_bytes((home / "keys.json").read_bytes()[:-50])
    with pytest.raises(KeyStoreDamaged):
        Authority.open(home, PASSWORD)


def test_the_same_randomness_makes_the_same_home(made: Path, tmp_path: Path) -> None:
    Authority.init(tmp_path / "home", CITY, PASSWORD, today=TODAY, random=randomness()).close()
    for path in made.rglob("*"):
        if path.is_file() and path.suffix in (".pem", ".json", ".key"):
            assert path.read_bytes() == (tmp_path / "home" / path.relative_to(made)).read_bytes(), path.name


def test_no_secret_stands_in_clear(made: Path) -> None:
    with Authority.open(made, PASSWORD) as authority:
        pem = authority.export_terminal("counter", with_key=True)
        private = serialization.load_pem_private_key(pem, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        scalar = private.private_numbers().private_value.to_bytes(32, "big")
        storage = authority.storage_key
        shown = repr(authority) + repr(authority.terminal_key("counter")) + repr(authority.keys)
    assert scalar.hex() not in shown
    assert storage.hex() not in shown
    for path in made.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PASSWORD.encode() not in content, path.name
            assert scalar not in content, path.name
            assert scalar.hex().encode() not in content, path.name
    assert json.loads((made / "authority.json").read_bytes())["made"] == "2026-11-21"


def test_rights_by_name() -> None:
    assert parse_rights(["identify", "set-initial-password"]) == {Right.IDENTIFY, Right.SET_INITIAL_PASSWORD}
    assert parse_rights(right_name(right) for right in Right) == frozenset(Right)
    with pytest.raises(TerminalError, match="'fly'"):
        parse_rights(["fly"])


def test_places_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeExists):
        Authority.init(tmp_path / "file", CITY, PASSWORD, today=TODAY)
    with pytest.raises(IssuerError, match="cannot be made"):
        Authority.init(tmp_path / "file" / "home", CITY, PASSWORD, today=TODAY)
    with pytest.raises(IssuerError, match="cannot be locked"):
        ensure_storage_key(tmp_path / "nowhere" / "storage.key")
    with pytest.raises(IssuerError, match="cannot be written"):
        write_atomically(tmp_path / "nowhere" / "x", b"")
