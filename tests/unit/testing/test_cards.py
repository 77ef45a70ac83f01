"""Specimen cards: each kind is what it says, by the judgement of our own terminal; the same for the same seed."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.applets.jpki.client import JpkiClient
from jukicard.applets.jpki.layout import Form, Usage
from jukicard.applets.juki.records import CardState
from jukicard.iso7816.connection import ApduLimits, CardConnection
from jukicard.iso7816.errors import (
    AuthenticationFailed,
    CardRemoved,
    CardStatusError,
    HostError,
    PasswordBlocked,
    PasswordWrong,
    ProtocolLimit,
)
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import CardRefused, IssuerError
from jukicard.issuer.ledger.rules import Status
from jukicard.reader.cardfile import card_id_of
from jukicard.reader.chips import open_emulator
from jukicard.reader.recording import Recorder
from jukicard.testing.cards import FORGED, Kind, Specimen, Specimens

SELECT = bytes.fromhex("00A4040000")


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Specimens]:
    with Specimens(tmp_path_factory.mktemp("specimens"), seed="a seed") as made:
        yield made


REFUSALS: dict[Kind, tuple[type[HostError] | type[IssuerError], str]] = {
    Kind.BLANK: (CardStatusError, "6A82"),
    Kind.UNDELIVERED: (CardRefused, "awaiting handover|delivered locked"),
    Kind.BLOCKED: (PasswordBlocked, "6983"),
    Kind.SUSPENDED: (CardRefused, "suspended"),
    Kind.VOID: (CardRefused, "void"),
    Kind.EXPIRED: (CardRefused, "expired"),
    Kind.FORGED_KEY: (AuthenticationFailed, "card authentication"),
    Kind.FORGED_CA: (AuthenticationFailed, "card certificate: the signature is wrong"),
    Kind.FORGED_CITY: (AuthenticationFailed, "card data"),
}


def test_an_active_card_authenticates(specimens: Specimens) -> None:
    card = specimens.make(Kind.ACTIVE)
    assert isinstance(card, CardConnection)
    assert card.authenticate().resident_code == card.record.resident_code
    with pytest.raises(PasswordWrong):
        card.authenticate(card.wrong_password.reveal())


@pytest.mark.parametrize(("kind", "usages"), [(Kind.JPKI, [Usage.SIGNATURE]), (Kind.JPKI_MYNUMBER, list(Usage))])
def test_an_enrolled_card_signs(specimens: Specimens, kind: Kind, usages: list[Usage]) -> None:
    card = specimens.make(kind)
    card.authenticate()
    passwords = {Usage.SIGNATURE: card.sign_password, Usage.AUTHENTICATION: card.authentication_password}
    client = JpkiClient(standard(card))
    client.select()
    assert client.usages() == set(usages)
    for usage in usages:
        client.verify(usage, passwords[usage].reveal().encode())
        key = x509.load_der_x509_certificate(client.certificate(usage)).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(client.sign(usage, b"a message", Form.HASHED), b"a message", PKCS1v15(), SHA256())


@pytest.mark.parametrize("kind", REFUSALS)
def test_every_other_kind_is_refused_for_what_it_is(specimens: Specimens, kind: Kind) -> None:
    error, text = REFUSALS[kind]
    with pytest.raises(error, match=text):
        specimens.make(kind).authenticate()


def test_there_is_no_kind_that_is_not_tried() -> None:
    assert set(Kind) == {Kind.ACTIVE, Kind.JPKI, Kind.JPKI_MYNUMBER, *REFUSALS}
    assert set(FORGED) < set(Kind)


def test_the_books_say_the_same(specimens: Specimens) -> None:
    expected = {
        Kind.BLANK: None,
        Kind.UNDELIVERED: Status.AWAITING_HANDOVER,
        Kind.SUSPENDED: Status.SUSPENDED,
        Kind.VOID: Status.VOID,
        Kind.EXPIRED: Status.ACTIVE,
    }
    for kind, status in expected.items():
        card = specimens.make(kind)
        card.authority.ledger.verify()
        states = card.authority.ledger.cards()
        assert [state.status for state in states] == ([] if status is None else [status])
        assert card.serial == (states[0].serial if states else None)
    (expired,) = specimens.make(Kind.EXPIRED).authority.ledger.cards()
    assert expired.is_expired(specimens.make(Kind.EXPIRED).today)


def test_an_expired_card_says_that_it_is_active(specimens: Specimens) -> None:
    card = specimens.make(Kind.EXPIRED)
    dialogue = card.dialogue(today=dt.date(2016, 4, 1))  # as a terminal that lives in the past
    dialogue.prove_card()
    dialogue.open_channel()
    assert dialogue.client.status().state is CardState.ACTIVE


def test_specimens_do_not_share_anything(specimens: Specimens) -> None:
    one, two = specimens.make("active"), specimens.make("active")
    for _ in range(3):
        with pytest.raises(PasswordWrong):
            one.authenticate(one.wrong_password.reveal())
    with pytest.raises(PasswordBlocked):
        one.authenticate()
    assert two.authenticate().password_ok
    assert one.home != two.home
    assert specimens.make("active").authenticate().password_ok


def conversation(seed: str, folder: Path, kind: Kind, today: dt.date = dt.date(2026, 11, 21)) -> list[object]:
    with Specimens(folder, seed=seed, today=today) as specimens:
        card = specimens.make(kind)
        recorder = Recorder(card.inner)
        card.inner = recorder
        card.authenticate()
        return [*recorder.dialogue().steps, card.cells]


def test_the_same_seed_gives_the_same_card_and_the_same_answers(tmp_path: Path) -> None:
    first = conversation("one", tmp_path / "1", Kind.ACTIVE)
    assert len(first) > 10
    assert conversation("one", tmp_path / "2", Kind.ACTIVE) == first
    assert conversation("two", tmp_path / "3", Kind.ACTIVE) != first


@pytest.mark.parametrize("day", [dt.date(2024, 2, 29), dt.date(2040, 12, 31)])
def test_the_cards_live_on_the_day_that_is_chosen(tmp_path: Path, day: dt.date) -> None:
    with Specimens(tmp_path, today=day) as specimens:
        assert specimens.make(Kind.ACTIVE).authenticate().password_ok
        with pytest.raises(CardRefused, match="expired"):
            specimens.make(Kind.EXPIRED).authenticate()


def test_a_card_is_pulled_during_a_command(specimens: Specimens) -> None:
    card = specimens.make(Kind.ACTIVE, pulled_at=2)
    assert card.transmit(SELECT)[-2:] == b"\x90\x00"
    for _ in range(2):
        with pytest.raises(CardRemoved):
            card.transmit(SELECT)
    card.reset()
    assert card.authenticate().password_ok


def test_a_pulled_card_has_carried_the_command_out_or_not(specimens: Specimens) -> None:
    """Pulled during the wrong VERIFY, whose number is found by a card that is not pulled."""
    whole = specimens.make(Kind.ACTIVE)
    recorder = Recorder(whole.inner)
    whole.inner = recorder
    with pytest.raises(PasswordWrong):
        whole.authenticate(whole.wrong_password.reveal())
    number = len(recorder.dialogue().steps)
    for executed, tries in ((False, 3), (True, 2)):
        card = specimens.make(Kind.ACTIVE, pulled_at=number, executed=executed)
        with pytest.raises(CardRemoved):
            card.authenticate(card.wrong_password.reveal())
        card.reset()
        client = card.dialogue().client
        client.select()
        assert client.password_tries(0x81) == tries


def test_a_slow_card_takes_its_time(specimens: Specimens) -> None:
    card = specimens.make(Kind.ACTIVE, delay=0.05)
    begin = time.monotonic()
    for _ in range(3):
        card.transmit(SELECT)
    assert time.monotonic() - begin >= 0.15


def test_a_reader_for_short_apdus_only(specimens: Specimens) -> None:
    card = specimens.make(Kind.ACTIVE, short=True)
    assert card.limits == ApduLimits.SHORT
    with pytest.raises(ProtocolLimit):
        card.transmit(bytes.fromhex("00B08200000000"))
    assert card.authenticate().password_ok


@pytest.mark.parametrize("wrong", [{"pulled_at": 0}, {"delay": -1}])
def test_numbers_out_of_range_are_refused(specimens: Specimens, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        specimens.make(Kind.ACTIVE, **wrong)  # type: ignore[arg-type]


def test_an_unknown_kind_is_refused(specimens: Specimens) -> None:
    with pytest.raises(ValueError, match="melted"):
        specimens.make("melted")


def test_a_contactless_card_shows_it_in_its_atr(specimens: Specimens) -> None:
    contactless = specimens.make(Kind.ACTIVE, contactless=True)
    assert contactless.atr != specimens.make(Kind.ACTIVE).atr
    assert contactless.authenticate().password_ok


def test_a_specimen_can_be_saved_and_used_from_its_file(specimens: Specimens, tmp_path: Path) -> None:
    card = specimens.make(Kind.ACTIVE)
    path = card.save(tmp_path / "card.juki")
    connection = open_emulator(path, card.authority.storage_key)
    assert connection.transmit(SELECT)[-2:] == b"\x90\x00"
    connection.close()


def test_a_card_saved_again_is_no_older_copy_of_the_first(specimens: Specimens, tmp_path: Path) -> None:
    card = specimens.make(Kind.ACTIVE)
    files = [card.save(tmp_path / f"{number}.juki") for number in range(2)]
    assert card_id_of(files[0]) != card_id_of(files[1])
    again = specimens.make(Kind.ACTIVE).save(tmp_path / "again.juki")
    assert card_id_of(again) == card_id_of(files[0]), "the same in every run"


def test_a_terminal_gets_its_anchor_and_its_key(specimens: Specimens) -> None:
    card = specimens.make(Kind.ACTIVE)
    assert card.authority.anchor(Area.JUKI).key_size == 256
    assert b"PRIVATE KEY" in card.authority.export_terminal("counter", with_key=True)


def test_secrets_do_not_show(specimens: Specimens) -> None:
    card: Specimen = specimens.make(Kind.ACTIVE)
    shown = repr([card, card.password, card.wrong_password, card.authority_password, card.record, vars(card)])
    shown += f"{card.password} {card.wrong_password} {card.authority_password}"
    password = card.password.reveal()
    secrets = (password, card.authority_password.reveal(), card.record.resident_code.reveal(), card.record.name)
    for secret in secrets:
        assert secret not in shown
    assert (len(password), password.isdigit()) == (4, True)


def test_no_pytest_is_needed() -> None:
    program = "import sys, jukicard.testing.cards, jukicard.testing.vectors; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
