"""The public names: they are there, loaded late, typed as they are given, documented, and do what they say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import jukicard
from jukicard import api
from jukicard.commands.session import World
from jukicard.issuer.errors import RecordError, RuleRefused
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.records.resident import RecordRules
from jukicard.reader.cardfile import CardFile, derive_storage_key, new_exported_id
from jukicard.testing.cards import Kind, Specimen, Specimens
from jukicard.testing.offices import RECORD, clock
from jukicard.testing.seeds import randomness

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Specimens]:
    with Specimens(tmp_path_factory.mktemp("specimens")) as made:
        yield made


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The specimens' day, so that the tests do not hang on the real one."""
    monkeypatch.setattr(api, "_WORLD", World(randomness("api"), randomness("chip"), clock(50)))


@pytest.fixture
def active(specimens: Specimens) -> Specimen:
    return specimens.make(Kind.ACTIVE)


# --- the names


def test_every_name_can_be_had_and_none_is_had_twice() -> None:
    assert sorted(jukicard._MODULES) == list(jukicard.__all__)
    for name in jukicard.__all__:
        assert getattr(jukicard, name).__name__ == name
        assert name in dir(jukicard)


def test_type_checkers_are_told_the_same() -> None:
    tree = ast.parse(Path(jukicard.__file__ or "").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    told = {
        alias.name: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert told == jukicard._MODULES


def test_every_name_is_documented() -> None:
    documented = set(re.findall(r"`([A-Za-z_]+)[`(]", (ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
    assert set(jukicard.__all__) <= documented


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'melt'"):
        jukicard.melt  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_alone_loads_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import jukicard; "
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith(('importlib', '_'))))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(ast.literal_eval(printed))
    assert "jukicard" in loaded
    assert not {name for name in loaded if name.startswith("jukicard.")}
    assert not loaded & {"click", "cryptography", "sqlalchemy", "rich"}


# --- what they do


def test_a_whole_life_through_the_public_names(specimens: Specimens, tmp_path: Path) -> None:
    office = specimens.make(Kind.BLANK)
    record = jukicard.load_record(RECORD, office.authority, issued_on=office.today)
    card = jukicard.issue(record, office.authority, out=tmp_path / "out", services=["library"], issued_on=office.today)
    assert card.card == tmp_path / "out" / f"{card.serial}.juki"
    with jukicard.open_reader(f"emulator:{card.card}", home=office.home) as reader:
        password = office.password.reveal()
        state = jukicard.hand_over(reader, office.authority, password, today=office.today)
        assert (state.serial, state.status) == (card.serial, Status.ACTIVE)
        steps: list[str] = []
        result = jukicard.authenticate(
            reader, office.authority, password, today=office.today, report=lambda proof: steps.append(proof.step)
        )
        assert result.resident_code == record.resident_code
        assert "secure channel" in steps
        outcome = jukicard.change_card(card.serial, "suspend", office.authority, reader=reader)
        assert outcome.state.status is Status.SUSPENDED
        with pytest.raises(jukicard.CardRefused):
            jukicard.authenticate(reader, office.authority, password, today=office.today)
    outcome = jukicard.change_card(card.serial, jukicard.Change.RESUME, office.authority)
    assert (outcome.state.status, outcome.chip) == (Status.ACTIVE, None)


def test_issue_onto_a_chip_in_a_reader(specimens: Specimens) -> None:
    blank = specimens.make(Kind.BLANK)
    record = jukicard.load_record(RECORD, blank.authority, face="A", issued_on=blank.today)
    card = jukicard.issue(record, blank.authority, reader=blank, issued_on=blank.today)
    assert card.card is None
    assert blank.authority.ledger.card(card.serial).status is Status.AWAITING_HANDOVER
    with pytest.raises(jukicard.RuleRefused):
        jukicard.issue(record, blank.authority, reader=blank, issued_on=blank.today)


def test_an_interrupted_issue_goes_on(specimens: Specimens) -> None:
    blank = specimens.make(Kind.BLANK, pulled_at=60)
    record = jukicard.load_record(RECORD, blank.authority, issued_on=blank.today)
    with pytest.raises(jukicard.CardRemoved):
        jukicard.issue(record, blank.authority, reader=blank, issued_on=blank.today)
    blank.reset()
    card = jukicard.issue(record, blank.authority, reader=blank, issued_on=blank.today)
    assert blank.authority.ledger.card(card.serial).status is Status.AWAITING_HANDOVER


def test_issue_needs_a_place(specimens: Specimens) -> None:
    blank = specimens.make(Kind.BLANK)
    with pytest.raises(ValueError, match="where shall the card be made"):
        jukicard.issue(blank.record, blank.authority, issued_on=blank.today)
    assert blank.authority.ledger.cards() == ()


def test_the_face_goes_into_the_folder_wherever_the_chip_is(specimens: Specimens, tmp_path: Path) -> None:
    blank = specimens.make(Kind.BLANK)
    card = jukicard.issue(blank.record, blank.authority, reader=blank, out=tmp_path, issued_on=blank.today)
    assert card.card is None
    assert (card.face_pdf, card.face_png) == (tmp_path / f"{card.serial}.pdf", tmp_path / f"{card.serial}.png")
    assert {path.suffix for path in tmp_path.iterdir()} == {".pdf", ".png", ".json"}


def test_braille_needs_a_reading_that_somebody_confirmed(specimens: Specimens, tmp_path: Path) -> None:
    blank = specimens.make(Kind.BLANK)
    wanted, place = replace(blank.record, braille=True), {"reader": blank, "issued_on": blank.today}
    with pytest.raises(RuleRefused, match="whose reading nobody has confirmed"):
        jukicard.issue(wanted, blank.authority, out=tmp_path, **place)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="is not wanted"):
        jukicard.issue(blank.record, blank.authority, out=tmp_path, braille_reading="タロウ", **place)  # type: ignore[arg-type]
    assert blank.authority.ledger.cards() == ()
    card = jukicard.issue(wanted, blank.authority, out=tmp_path, braille_reading="タロウ", **place)  # type: ignore[arg-type]
    assert card.face_json is not None
    assert "⠕⠚⠒" in card.face_json.read_text(encoding="utf-8")


@pytest.mark.parametrize("password", ["", "123", "12345", "12a4", "１２３４"])
def test_a_password_that_is_none_is_refused_before_anything(specimens: Specimens, password: str) -> None:
    card = specimens.make(Kind.UNDELIVERED)
    with pytest.raises(ValueError, match="four digits"):
        jukicard.hand_over(card, card.authority, password, today=card.today)
    assert card.authority.ledger.cards()[0].status is Status.AWAITING_HANDOVER


def test_a_wrong_password_tells_the_tries(active: Specimen) -> None:
    with pytest.raises(jukicard.PasswordWrong) as caught:
        jukicard.authenticate(active, active.authority, active.wrong_password.reveal(), today=active.today)
    assert caught.value.tries_left == 2


def test_read_public_costs_nothing(active: Specimen) -> None:
    before = active.cells
    facts = jukicard.read_public(active)
    assert (facts["juki_application"], facts["password_tries_left"]) == (True, 3)
    assert active.cells == before


def test_a_bad_record_names_its_fields(active: Specimen, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"resident_code": "1"}', encoding="utf-8")
    with pytest.raises(jukicard.RecordError) as caught:
        jukicard.load_record(path, active.authority)
    assert {problem.field for problem in caught.value.problems} >= {"resident_code", "name"}
    assert RecordRules(active.today).face is None


@pytest.mark.parametrize(
    ("spec", "error"), [("tape:", jukicard.ReaderSpecError), ("emulator:nowhere", jukicard.CardFileError)]
)
def test_a_reader_that_is_not_there(active: Specimen, spec: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        jukicard.open_reader(spec, home=active.home)


def test_a_storage_key_instead_of_a_home(active: Specimen, tmp_path: Path) -> None:
    path = active.save(tmp_path / "card.juki")
    with jukicard.open_reader(f"emulator:{path}", storage_key=active.home / "storage.key", home=tmp_path) as reader:
        assert repr(reader) == f"Reader('emulator:{path}')"
        assert jukicard.send(reader, jukicard.CommandAPDU(0x00, 0xA4, 0x04, 0x00, ne=256)).sw.is_ok
    with pytest.raises(jukicard.TransportError):
        reader.transmit(b"\x00\xa4\x04\x00")


def test_an_exported_card_opens_with_its_passphrase_and_nobody_is_asked(
    active: Specimen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jukicard.reader.cardfile.sealing._SCRYPT_N", 1 << 4)
    monkeypatch.setattr("click.prompt", lambda *_arguments, **_options: pytest.fail("somebody was asked"))
    card_id = new_exported_id(randomness("export"))
    path, passphrase = tmp_path / "card.juki", tmp_path / "passphrase.txt"
    key = derive_storage_key("a long passphrase", card_id)
    CardFile.create(path, key, active.cells, card_id=card_id).close()
    passphrase.touch(0o600)
    for text in ("", "another passphrase"):
        passphrase.write_text(text, encoding="utf-8")
        with pytest.raises(jukicard.CardFileError):
            jukicard.open_reader(f"emulator:{path}", passphrase_file=passphrase)
    with pytest.raises(jukicard.CardFileError, match="passphrase_file"):
        jukicard.open_reader(f"emulator:{path}")
    passphrase.write_text("a long passphrase", encoding="utf-8")
    with jukicard.open_reader(f"emulator:{path}", passphrase_file=passphrase) as reader:
        assert jukicard.read_public(reader)["kind"] == "jukicard"


def test_no_representation_shows_a_secret(active: Specimen, tmp_path: Path) -> None:
    result = jukicard.authenticate(active, active.authority, active.password.reveal(), today=active.today)
    path = active.save(tmp_path / "card.juki")
    with jukicard.open_reader(f"emulator:{path}", home=active.home) as reader:
        shown = repr([result, active.authority, active.record, reader, vars(reader)]) + str(result.resident_code)
    key = (active.home / "storage.key").read_text().strip()
    for secret in (active.record.resident_code.reveal(), active.record.name, key, active.authority_password.reveal()):
        assert secret not in shown
