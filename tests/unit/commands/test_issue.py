"""`juki issue`: from a record to a card that awaits its handover; refused, interrupted, resumed."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from PIL import Image

from jukicard.iso7816.errors import CardRemoved
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import IssuerError
from jukicard.issuer.faces import prepare_face
from jukicard.issuer.faces.face import FaceFiles, PreparedFace
from jukicard.issuer.line import personalise
from jukicard.issuer.line.cardkeys import key_sets
from jukicard.issuer.line.plan import Match, issuing_plan
from jukicard.issuer.municipal.services import SERVICES
from jukicard.issuer.records.resident import Face, RecordRules, load_json
from jukicard.reader.emulator import EmulatorConnection
from tests.support.desk import Desk, private_file
from tests.support.issued import RECORD, TODAY
from tests.support.printers import FakePrinters, fake_printers
from tests.unit.faces.test_faces import data

__all__ = ["fake_printers"]

FACE_KEYS = ("face_pdf", "face_png", "face_back_png", "face_json")
KEYS = {"serial", "card", "expires", *FACE_KEYS}
SERIAL = "799201000000001"
MILESTONES = ["ordered", "closed", "face-written", "matched", "awaiting-handover"]
CODE = load_json(RECORD, RecordRules(TODAY)).resident_code.reveal()
HANAKO = str(RECORD.with_name("hanako.json"))


def interrupt(patch: pytest.MonkeyPatch, after: int, error: BaseException) -> None:
    """Let the emulator fail once that many commands have been answered."""
    transmit, count = EmulatorConnection.transmit, 0

    def failing(self: EmulatorConnection, command: bytes) -> bytes:
        nonlocal count
        count += 1
        if count > after:
            raise error
        return transmit(self, command)

    patch.setattr(EmulatorConnection, "transmit", failing)


def events(desk: Desk) -> list[str]:
    return [entry.event.value for entry in desk.ledger()]


def changed_record(desk: Desk, **changes: str | None) -> str:
    record = {**json.loads(RECORD.read_text(encoding="utf-8")), **changes}
    path = desk.folder / "record.json"
    path.write_text(json.dumps({name: value for name, value in record.items() if value is not None}), encoding="utf-8")
    return str(path)


def onto(desk: Desk, *more: str) -> tuple[str, ...]:
    return ("issue", desk.record, "--reader", desk.reader, *desk.authority, *more)


def into(desk: Desk, *more: str) -> tuple[str, ...]:
    return ("issue", desk.record, "--out", str(desk.folder / "out"), *desk.authority, *more)


def test_a_card_file_is_made_for_the_record(blank: Desk) -> None:
    facts = blank.facts(*into(blank, "--service", "library"))
    out = blank.folder / "out"
    card = out / f"{SERIAL}.juki"
    assert facts.keys() == KEYS
    assert facts == {
        "serial": SERIAL,
        "card": str(card),
        "expires": "2036-11-20",
        "face_pdf": str(out / f"{SERIAL}.pdf"),
        "face_png": str(out / f"{SERIAL}.png"),
        "face_back_png": str(out / f"{SERIAL}-back.png"),
        "face_json": str(out / f"{SERIAL}.json"),
    }
    assert card.stat().st_mode & 0o777 == 0o600
    assert {str(path) for path in out.iterdir()} == {str(card), *(facts[key] for key in FACE_KEYS)}
    assert [event for event in events(blank) if event in MILESTONES] == MILESTONES
    assert "library" in blank.printed
    blank.facts("handover", "--reader", f"emulator:{card}", *blank.authority, *blank.holder)
    shown = blank.facts("auth", "--reader", f"emulator:{card}", *blank.authority, *blank.holder, "--show-code")
    assert shown["resident_code"] == CODE


def test_the_blank_chip_in_the_reader_becomes_the_card(blank: Desk) -> None:
    before = sorted(blank.folder.iterdir())
    facts = blank.facts(*onto(blank))
    assert (facts["serial"], facts["card"]) == (SERIAL, blank.reader)
    assert [facts[key] for key in FACE_KEYS] == [None] * len(FACE_KEYS)
    assert sorted(blank.folder.iterdir()) == before
    assert "face-written" not in events(blank)
    info = blank.facts("card", "info", "--reader", blank.reader)
    assert info["juki_application"]
    assert "Library" not in str(info["applications"])


def test_with_a_reader_and_a_folder_the_face_alone_is_written_there(blank: Desk) -> None:
    out = blank.folder / "faces"
    facts = blank.facts(*onto(blank, "--out", str(out)))
    assert facts["card"] == blank.reader
    assert {str(path) for path in out.iterdir()} == {facts[key] for key in FACE_KEYS}


def test_the_face_tells_what_the_books_and_the_record_say(blank: Desk) -> None:
    facts = blank.facts(*into(blank))
    told = Path(facts["face_json"]).read_text(encoding="utf-8")
    assert all(text in told for text in ("住基　太郎", "見本市", "2036"))
    assert CODE not in told
    assert Path(facts["face_pdf"]).read_bytes().startswith(b"%PDF")
    assert Path(facts["face_png"]).read_bytes().startswith(b"\x89PNG")


def test_what_finds_no_room_on_the_front_is_told_of_on_the_back(blank: Desk) -> None:
    hanako = json.loads(Path(HANAKO).read_text(encoding="utf-8"))
    photo = str(RECORD.with_name("portrait-drawn.png"))
    record = changed_record(blank, **{**hanako, "address": "架空県見本市北町" * 18, "photo": photo, "braille": "no"})
    facts = blank.facts("issue", record, "--out", str(blank.folder / "out"), *blank.authority)
    assert facts["face_back_png"] == str(blank.folder / "out" / f"{SERIAL}-back.png")
    assert Path(facts["face_back_png"]).exists()


def test_a_row_of_a_table_is_issued_from(blank: Desk) -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    table = blank.folder / "residents.csv"
    table.write_bytes(
        f"{','.join(record)}\n{','.join(['x'] * len(record))}\n{','.join(record.values())}\n".encode("cp932")
    )
    out = ("--out", str(blank.folder / "out"))
    result = blank.run("issue", str(table), "--row", "1", *out, *blank.authority)
    assert result.exit_code == 7
    assert "residents.csv line 2: birth_date: " in result.stderr
    assert blank.facts("issue", str(table), "--row", "2", *out, *blank.authority)["serial"] == SERIAL


def test_a_row_of_a_json_file_is_no_such_thing(blank: Desk) -> None:
    assert blank.run(*into(blank, "--row", "1")).exit_code == 2
    assert blank.run(*into(blank, "--row", "0")).exit_code == 2


@pytest.mark.parametrize("name", ["2003", "2009"])
def test_a_template_is_chosen_by_name(blank: Desk, name: str) -> None:
    facts = blank.facts(*into(blank, "--template", name))
    assert Path(facts["face_pdf"]).exists()


def test_a_template_that_is_not_there_is_refused_before_the_books(blank: Desk) -> None:
    before = blank.ledger()
    result = blank.run(*into(blank, "--template", "1868"))
    assert result.exit_code == 1
    assert "1868" in result.stderr
    assert blank.ledger() == before
    assert not (blank.folder / "out").exists()


def test_progress_is_on_standard_error_and_results_are_on_standard_output(blank: Desk) -> None:
    result = blank.run(*onto(blank))
    assert result.exit_code == 0
    names = [line.split(" ", 1)[0] for line in result.stderr.splitlines()]
    assert names == [operation.name for operation in issuing_plan(key_sets("99201"), ())]
    assert [line.split(" ", 1)[0] for line in result.stdout.splitlines()] == ["serial", "card", "expires"]


def test_the_face_given_wins_over_the_records(blank: Desk) -> None:
    record = RECORD.with_name("hanako.json")
    blank.facts("issue", str(record), "--face", "A", "--reader", blank.reader, *blank.authority)
    info = blank.facts("card", "info", "--reader", blank.reader, *blank.authority)
    assert (info["face"], info["status"]) == ("A", "delivered locked")


def test_a_dry_run_prints_the_plan_and_touches_nothing(blank: Desk) -> None:
    before, card = blank.ledger(), blank.card.read_bytes()
    services = [part for service in SERVICES for part in ("--service", service.name)]
    facts = blank.facts("issue", blank.record, "--dry-run", *services, "--out", str(blank.folder / "out"))
    steps = [operation.name for operation in issuing_plan(key_sets("99201"), SERVICES, face=True)]
    assert [entry["step"] for entry in facts["plan"]] == steps
    assert all(entry["does"] and entry["domain"] for entry in facts["plan"])
    assert (facts["face"], facts["issued_on"], facts["expires"]) == ("A", "2026-11-21", "2036-11-20")
    text = blank.run("issue", blank.record, "--dry-run").stdout
    assert all(name in text for name in ("issuer-keys", "read-back", "match"))
    assert (blank.ledger(), blank.card.read_bytes()) == (before, card)
    assert not (blank.folder / "out").exists()
    assert CODE not in blank.printed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"resident_code": "12345678901"}, "resident_code"),
        ({"sex": None}, "sex"),
        ({"city_code": "13101"}, "city_code"),
        ({"nickname": "Taro"}, "nickname"),
        ({"birth_date": "2026-02-30"}, "birth_date"),
    ],
)
def test_a_bad_record_is_named_and_nothing_is_half_done(
    blank: Desk, changes: dict[str, str | None], field: str
) -> None:
    before = blank.ledger()
    record = changed_record(blank, **changes)
    out = blank.folder / "out"
    result = blank.run("issue", record, "--out", str(out))  # no password: it is not even asked for
    assert result.exit_code == 7
    assert f"record.json: {field}" in result.stderr
    error = blank.facts("issue", record, "--out", str(out), code=7)["error"]
    assert field in error["message"]
    assert "12345678901" not in blank.printed
    assert blank.ledger() == before
    assert not out.exists()


def test_a_record_that_is_not_there_is_a_bad_record(blank: Desk) -> None:
    assert blank.run("issue", "nobody.json", "--out", str(blank.folder)).exit_code == 7


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--issued-on", "2015-01-01"), 1, "expired on 2024-12-31"),
        (("--service", "swimming"), 1, "swimming"),
        (("--issued-on", "yesterday"), 2, "no date"),
        (("--face", "C"), 2, "--face"),
    ],
)
def test_what_cannot_be_issued_is_refused_before_the_books(
    blank: Desk, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = blank.ledger()
    result = blank.run(*into(blank, *arguments))
    assert result.exit_code == code
    assert words in result.stderr
    assert blank.ledger() == before


def test_an_earlier_day_of_issue_is_entered_and_certified(blank: Desk) -> None:
    assert blank.facts(*into(blank, "--issued-on", "2020-04-01"))["expires"] == "2030-03-31"


def test_without_a_place_it_asks_for_one(blank: Desk) -> None:
    result = blank.run("issue", blank.record, *blank.authority)
    assert result.exit_code == 2
    assert "--out" in result.stderr


def test_a_folder_wins_over_the_reader_of_the_environment(blank: Desk) -> None:
    before = blank.card.read_bytes()
    facts = blank.facts(*into(blank), JUKI_READER=blank.reader)
    assert facts["card"].startswith(str(blank.folder / "out"))
    assert blank.card.read_bytes() == before
    facts = blank.facts("issue", HANAKO, "--face", "A", *blank.authority, JUKI_READER=blank.reader)
    assert facts["card"] == blank.reader


def test_a_missing_card_is_noticed_before_the_books(blank: Desk) -> None:
    before = blank.ledger()
    missing = f"emulator:{blank.folder / 'missing.juki'}"
    assert blank.run("issue", blank.record, "--reader", missing, *blank.authority).exit_code == 3
    assert blank.ledger() == before


@pytest.mark.parametrize("after", [0, 1, 40, 60])
@pytest.mark.parametrize("where", ["folder", "reader"])
def test_an_interrupted_issue_is_resumed_by_the_same_command(blank: Desk, after: int, where: str) -> None:
    words = into(blank, "--service", "library") if where == "folder" else onto(blank, "--service", "library")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, after, CardRemoved("the card was removed"))
        result = blank.run(*words)
    assert result.exit_code == 3
    assert "same command again" in result.stderr or (where, after) <= ("reader", 1)
    facts = blank.facts(*words)
    assert facts["serial"] == "799201000000001"
    blank.facts(
        "handover", "--reader", f"emulator:{facts['card'].removeprefix('emulator:')}", *blank.authority, *blank.holder
    )
    with Authority.open(blank.home) as authority:
        assert [state.serial for state in authority.ledger.cards()] == ["799201000000001"]


@pytest.mark.parametrize(
    "full", [OSError(errno.ENOSPC, "No space left on device"), IssuerError("it cannot be written: No space left")]
)
def test_a_face_that_could_not_be_written_is_written_by_the_same_command(blank: Desk, full: Exception) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PreparedFace, "write", Mock(side_effect=full))
        result = blank.run(*into(blank))
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert "same command again" in result.stderr
    assert blank.ledger()[-1].detail["step"] == "face"
    result = blank.run(*into(blank, "--issued-on", "2026-11-20"))
    assert result.exit_code == 0, result.output
    told = (blank.folder / "out" / f"{SERIAL}.json").read_text(encoding="utf-8")
    assert "2036" in told
    assert "11月20日" in told or "2036-11-20" in told  # what was ordered, and not what is asked for now
    assert [event for event in events(blank) if event in MILESTONES] == MILESTONES


def test_a_face_that_was_begun_is_not_left_out(blank: Desk) -> None:
    out = ("--out", str(blank.folder / "faces"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PreparedFace, "write", Mock(side_effect=KeyboardInterrupt))
        assert blank.run(*onto(blank, *out)).exit_code == 130
    result = blank.run(*onto(blank))
    assert result.exit_code == 1
    assert "its face was begun" in result.stderr
    facts = blank.facts(*onto(blank, *out))
    assert all(Path(facts[key]).exists() for key in FACE_KEYS)


def test_a_face_is_written_where_the_issue_is_finished(blank: Desk) -> None:
    """Interrupted after its face was written, and finished from another folder: what is matched is what lies there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(personalise._ACTIONS, Match, Mock(side_effect=CardRemoved("the card was removed")))
        assert blank.run(*onto(blank, "--out", str(blank.folder / "faces"))).exit_code == 3
    result = blank.run(*onto(blank))
    assert result.exit_code == 1
    assert "name the folder" in result.stderr
    facts = blank.facts(*onto(blank, "--out", str(blank.folder / "elsewhere")))
    assert all(Path(facts[key]).parent == blank.folder / "elsewhere" for key in FACE_KEYS)


def test_a_face_that_prints_something_else_is_not_matched_and_is_written_again(blank: Desk) -> None:
    """Somebody puts another's face where this one was written, before it is read back."""
    write = PreparedFace.write
    other = replace(data("taro", Face.A), name="架空　次郎")

    def forging(self: PreparedFace, folder: Path, stem: str, serial: str, *, dpi: int | None = 300) -> FaceFiles:
        files = write(self, folder, stem, serial, dpi=dpi)
        files.pdf.write_bytes(prepare_face(other).pdf)
        return files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PreparedFace, "write", forging)
        result = blank.run(*into(blank))
    assert result.exit_code == 1
    assert "its face does not print what the record says" in result.stderr
    assert "front: name: character 1" in result.stderr
    assert "same command again" in result.stderr
    assert "架空" not in result.stderr
    assert "spoilt" not in events(blank)
    assert "matched" not in events(blank)
    facts = blank.facts(*into(blank))
    assert [event for event in events(blank) if event in MILESTONES] == MILESTONES
    checked = blank.facts("face", "check", blank.record, facts["face_pdf"])
    assert checked == {"serial": SERIAL, "matched": True, "differences": []}


def test_only_the_personal_layer_with_marks_at_600_dpi(blank: Desk) -> None:
    facts = blank.facts(*into(blank, "--layers", "personal", "--marks", "--dpi", "600"))
    with Image.open(facts["face_png"]) as picture:
        assert picture.size == (2022, 1275)
    pdf = Path(facts["face_pdf"]).read_bytes()
    assert b"/OCG" in pdf
    assert b"Preprint".hex().upper().encode() not in pdf
    assert blank.run(*into(blank, "--layers", "stock")).exit_code == 2


def test_it_is_printed_once_it_is_issued(blank: Desk, fake_printers: FakePrinters) -> None:
    facts = blank.facts(*into(blank, "--printer", "cards"))
    assert facts["print_job"] == "cards-1"
    assert fake_printers.printed == Path(facts["face_pdf"]).read_bytes()
    assert fake_printers.jobs()[0][-1] == facts["face_pdf"]


def test_a_printer_that_is_not_there_is_told_before_a_card_is_made(blank: Desk, fake_printers: FakePrinters) -> None:
    before = blank.ledger()
    assert blank.run(*into(blank, "--printer", "attic")).exit_code == 3
    assert blank.run(*onto(blank, "--printer", "cards")).exit_code == 2
    assert blank.ledger() == before
    result = blank.run(*into(blank, "--printer", "office"))
    assert result.exit_code == 3
    assert "is issued all the same" in result.stderr
    assert "awaiting-handover" in events(blank)


def test_a_character_with_a_glyph_image_in_the_home_is_issued(blank: Desk) -> None:
    record = changed_record(blank, name="住基　\ue000郎")
    result = blank.run("issue", record, "--out", str(blank.folder / "out"), *blank.authority)
    assert result.exit_code == 7
    assert "U+E000" in result.stderr
    (blank.home / "glyphs").mkdir()
    drawn = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M1 1h7v7h-7z"/></svg>'
    (blank.home / "glyphs" / "U+E000.svg").write_text(drawn, encoding="utf-8")
    facts = blank.facts("issue", record, "--out", str(blank.folder / "out"), *blank.authority)
    assert blank.facts("face", "check", record, facts["face_pdf"])["matched"]


def test_ctrl_c_ends_cleanly_and_tells_how_to_go_on(blank: Desk) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 50, KeyboardInterrupt())
        result = blank.run(*into(blank))
    assert result.exit_code == 130
    assert "same command again" in result.stderr
    assert "Traceback" not in result.output
    assert blank.run(*into(blank)).exit_code == 0


def test_the_services_already_begun_are_finished_without_naming_them_again(blank: Desk) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 45, CardRemoved("the card was removed"))
        blank.run(*onto(blank, "--service", "library"))
    pending = blank.ledger()[-1].detail["step"]
    assert pending in ("service-library", "service-library-data", "authentication-key", "data", "read-back")
    blank.facts(*onto(blank))
    info = blank.facts("card", "info", "--reader", blank.reader)
    assert "Library" in str(info["applications"])


def test_it_is_finished_with_the_face_that_it_was_begun_with(blank: Desk) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 50, CardRemoved("the card was removed"))
        blank.run(*onto(blank))
    photo = ("--photo", str(RECORD.with_name("portrait-drawn.png")))
    result = blank.run(*onto(blank, "--face", "B", *photo))
    assert result.exit_code == 1
    assert "face A" in result.stderr
    blank.facts(*onto(blank))


def test_it_is_finished_on_the_chip_that_it_was_begun_on(blank: Desk) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 50, CardRemoved("the card was removed"))
        blank.run(*into(blank))
    result = blank.run(*onto(blank))
    assert result.exit_code == 1
    assert "another chip" in result.stderr
    result = blank.run("issue", blank.record, "--out", str(blank.folder / "elsewhere"), *blank.authority)
    assert result.exit_code == 1
    assert "begun elsewhere" in result.stderr
    blank.facts(*into(blank))


@pytest.mark.parametrize("home", ["own", "another"])
def test_somebodys_card_is_never_taken_for_a_blank_one(active: Desk, tmp_path: Path, home: str) -> None:
    """Issuing onto it would spoil and terminate it."""
    more: tuple[str, ...] = ()
    if home == "another":
        other = tmp_path / "other"
        words = ("--city-code", "99201", "--city-name", "見本市", "--home", str(other))
        assert active.run("authority", "init", *words, *active.authority).exit_code == 0
        more = ("--home", str(other), "--storage-key", str(active.home / "storage.key"))
    result = active.run("issue", HANAKO, "--face", "A", "--reader", active.reader, *active.authority, *more)
    assert result.exit_code == 1
    assert "not blank" in result.stderr or "not a blank one" in result.stderr
    active.facts("auth", "--reader", active.reader, *active.authority, *active.holder)


def test_a_chip_that_deviates_is_spoilt_and_named(blank: Desk) -> None:
    with pytest.MonkeyPatch.context() as patch:
        transmit = EmulatorConnection.transmit
        patch.setattr(
            EmulatorConnection,
            "transmit",
            lambda self, command: b"\x6f\x00" if command[1] == 0x47 else transmit(self, command),
        )
        result = blank.run(*onto(blank))
    assert result.exit_code == 1
    assert "799201000000001 is spoilt" in result.stderr
    assert blank.ledger()[-1].event.value == "spoilt"


def test_the_authoritys_wrong_password_enters_nothing(blank: Desk) -> None:
    before = blank.ledger()
    wrong = ("--authority-password-file", str(private_file(blank.folder / "other.txt", "not it")))
    result = blank.run("issue", blank.record, "--out", str(blank.folder / "out"), *wrong)
    assert result.exit_code == 4
    assert blank.ledger() == before


def test_without_an_authority_there_is_nothing_to_issue_with(blank: Desk, tmp_path: Path) -> None:
    result = blank.run(*into(blank, "--home", str(tmp_path / "nowhere")))
    assert result.exit_code == 6
    assert "no authority" in result.stderr
