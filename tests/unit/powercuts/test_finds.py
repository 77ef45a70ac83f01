"""The power cuts of tests/powercuts must find a card that does one thing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jukicard.applets.gp.keystore import DomainKeys, KeyReference
from jukicard.applets.juki.applet import JukiApplet
from jukicard.card.security import passwords, secretkeys
from jukicard.card.security.counters import TryCounter
from jukicard.card.security.passwords import Password
from jukicard.card.security.secretkeys import SecretKey
from jukicard.card.transaction import Transaction
from jukicard.iso7816.tlv import Tlv
from jukicard.securechannel.scp03 import StaticKeys
from tests.powercuts import cards, probes
from tests.powercuts.cases import FlowCase, RowCase
from tests.powercuts.plans import ROWS
from tests.powercuts.registry import FlowScenario, RowScenario, Sending, not_cut
from tests.powercuts.rows_applets import personalising
from tests.powercuts.runner import Case, Plan, Report, Sample, Trial
from tests.powercuts.timeline import is_spent
from tests.support import chips, folders
from tests.support.chips import Chip, say

NEITHER = "neither old nor new nor a try fewer"


def scenario(title: str) -> RowScenario:
    (found,) = (one for one in ROWS if one.title == title)
    return found


def cut(case: Case) -> Report:
    """Every write cut once; one recovery."""
    return Trial(case, Plan(recoveries=Sample(1000, 1), second=Sample(1000))).run()


def finds(title: str, expected: str = NEITHER) -> None:
    report = cut(RowCase(scenario(title)))
    assert report.violations
    assert all(expected in violation for violation in report.violations), report.violations


RIGHT, WRONG = "JukiApplet VERIFY: right password", "JukiApplet VERIFY: wrong password"
SUSPENDS = "JukiApplet DEACTIVATE FILE (application): suspends"
PUT_KEY = "SecurityDomain PUT KEY (AES key set): replaces version 1 by 2"
RIGHT_KEY, WRONG_KEY = "FolderApplet EXTERNAL AUTHENTICATE: right key", "FolderApplet EXTERNAL AUTHENTICATE: wrong key"
CREATES = "FolderApplet CREATE FILE: of records"
DELETES = "FolderApplet DELETE FILE: a directory with all that is in it"


@pytest.mark.parametrize("title", [RIGHT, WRONG, SUSPENDS, PUT_KEY, RIGHT_KEY, WRONG_KEY, CREATES, DELETES])
def test_finds_nothing_on_the_card_as_it_is(title: str) -> None:
    assert not cut(RowCase(scenario(title))).violations


def test_finds_a_try_that_is_spent_after_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def compare(password: Password, candidate: bytes) -> bool:
        value = password._area.read(f"p/{password.reference:02x}/v") or b""
        if passwords.bytes_eq(value, candidate):
            return True
        password.tries.spend()
        return False

    monkeypatch.setattr(Password, "compare", compare)
    finds(WRONG)


def test_finds_a_try_of_a_key_that_is_spent_after_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_proved_by(key: SecretKey, cryptogram: bytes, message: bytes) -> bool:
        expected = secretkeys.aes_cmac(key._value(), message)
        key.tries.spend()
        return expected == cryptogram

    monkeypatch.setattr(SecretKey, "is_proved_by", is_proved_by)
    finds(WRONG_KEY)


@pytest.mark.parametrize("title", [RIGHT, RIGHT_KEY])
def test_finds_a_try_that_is_given_back_before_the_comparison(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    spend = TryCounter.spend

    def spend_and_give_back(counter: TryCounter) -> int:
        left = spend(counter)
        counter._area.spend(counter._cell, bytes((counter.maximum,)))
        return left

    monkeypatch.setattr(TryCounter, "spend", spend_and_give_back)
    finds(title)


def test_finds_a_try_that_is_spent_without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Transaction, "spend", lambda self, cell, content: self._store.commit({cell: content}, durable=False)
    )
    finds(WRONG)


@pytest.mark.parametrize("title", [SUSPENDS, CREATES, DELETES])
def test_finds_a_command_whose_writes_are_commits_of_their_own(monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    def commit(transaction: Transaction) -> None:
        for cell, content in {**transaction._relaxed, **transaction._changes}.items():
            transaction._store.commit({cell: content})

    monkeypatch.setattr(Transaction, "commit", commit)
    finds(title)


def test_finds_a_command_that_does_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def commit(transaction: Transaction) -> None:
        if transaction._changes:
            transaction._store.commit(transaction._changes, durable=False)

    monkeypatch.setattr(Transaction, "commit", commit)
    finds(SUSPENDS)


def test_finds_a_key_set_that_is_put_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    put = DomainKeys.put_key_set

    def halves(keys: DomainKeys, reference: KeyReference, values: StaticKeys) -> None:
        half = Tlv.build(0xE1, Tlv(0x80, values.enc)).encode()
        keys._area.spend(f"key/{reference.kid:02x}/{reference.kvn:02x}", half)
        put(keys, reference, values)

    monkeypatch.setattr(DomainKeys, "put_key_set", halves)
    finds(PUT_KEY)


def test_finds_a_command_that_is_not_answered_the_same_when_sent_again() -> None:
    suspends, sent = scenario(SUSPENDS), iter((0x00, *[0x01] * 9))

    def prepare(chip: Chip) -> Sending:
        session, command = suspends.prepare(chip)
        return session, command._replace(p1=next(sent))

    report = cut(RowCase(replace(suspends, prepare=prepare)))
    assert report.violations
    assert "sent again, it was answered 6A86" in report.violations[0]


def test_finds_a_flow_that_cannot_be_gone_on_with() -> None:
    """One that wants the card's key to be generated in this very session: it has been, before the cut."""

    def personalisation(chip: Chip) -> None:
        session = personalising(chip)
        say(session, 0, 0xD6, 0x81, 0, chips.CODE, sw=0x9000)
        say(session, 0, 0x47, 0x80, 0, bytes.fromhex("B603840182"), 256, sw=0x9000)

    report = cut(FlowCase(FlowScenario("strict", cards.in_personalisation, personalisation, lambda chip: None)))
    assert report.violations
    assert all("cannot be gone on with" in violation for violation in report.violations)


def test_finds_a_file_that_anybody_can_read() -> None:
    cells = dict(cards.active())
    assert probes.betrayed(cells, probes.readable(cells)) is None
    code = next(cell for cell, content in cells.items() if content == chips.CODE)
    cells[code[:-1] + "h"] = cells[code.replace("0001/d", "0002/h")]  # the rules of EF.CERTIFICATES
    assert probes.betrayed(cells, probes.readable(cells)) == code


def test_finds_a_file_of_a_folder_that_anybody_can_read() -> None:
    cells = dict(cards.with_a_folder())
    assert probes.betrayed(cells, probes.readable(cells)) is None
    private = next(cell for cell in cells if cell.endswith("/f/0002/d") and cells[cell] == b"a private note..")
    cells[private[:-1] + "h"] = cells[private.replace("0002/d", "0001/h")]
    assert probes.betrayed(cells, probes.readable(cells)) == private


def test_finds_a_secret_key_in_an_answer() -> None:
    cells = dict(cards.with_a_folder())
    key = next(cell for cell in cells if cell.endswith(f"/y/{folders.KEY:02x}/v"))
    notice = next(cell for cell in cells if cell.endswith("/f/0001/d") and cells[cell].startswith(b"jukicard"))
    cells[notice] = cells[key]
    assert probes.betrayed(cells, probes.readable(cells)) == key


def test_probes_ask_for_files_in_directories_and_for_data_objects() -> None:
    answers = b"".join(probes.readable(cards.with_a_folder()))
    for content in (b"depth 1 ", b"depth 4 ", b"https://folder.example/"):
        assert content in answers


def test_a_try_is_a_try_and_nothing_more() -> None:
    cells = {"a/0004/p/81/t": b"\x02", "a/0004/seq/01/01": b"\0\0\x07\0", "a/0004/p/81/v": b"1234"}
    cells |= {"a/0005/y/91/t": b"\x03", "a/0005/f/0a00/f/0001/c": b"\x01"}

    def spent(**changes: bytes) -> bool:
        names = {"tries": "a/0004/p/81/t", "counters": "a/0004/seq/01/01", "value": "a/0004/p/81/v"}
        names |= {"key": "a/0005/y/91/t", "file": "a/0005/f/0a00/f/0001/c"}
        return is_spent(cells, {**cells, **{names[name]: content for name, content in changes.items()}})

    assert spent(tries=b"\x01")
    assert spent(counters=b"\0\0\x08\x01")
    assert spent(key=b"\x02", file=b"\0")
    assert not spent()
    assert not spent(tries=b"\x00")
    assert not spent(tries=b"\x03")
    assert not spent(counters=b"\0\0\x08\0")
    assert not spent(value=b"1235")
    assert not spent(tries=b"\x01", value=b"1235")


def test_names_a_row_without_a_scenario() -> None:
    assert not_cut(ROWS) == []
    rest = [one for one in ROWS if (one.applet, one.row) != (JukiApplet, "VERIFY")]
    assert not_cut(rest) == ["@row(JukiApplet, 'VERIFY', on=...)"]
