"""`juki face`: sheets, printing, and reading back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest

from jukicard.commands.faceoptions import complete_printers
from jukicard.issuer.faces import prepare_face, template
from jukicard.issuer.records.resident import Face
from tests.support.desk import Desk
from tests.support.printers import FakePrinters, fake_printers
from tests.unit.faces.test_faces import data

__all__ = ["fake_printers"]


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A folder with two cards' faces, and something else."""
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "799201000000001.pdf").write_bytes(prepare_face(data("taro", Face.A)).pdf)
    (folder / "799201000000002.pdf").write_bytes(prepare_face(data()).pdf)
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4 no card")
    return folder


def test_a_folder_becomes_a_sheet(blank: Desk, cards: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.pdf"
    facts = blank.facts("face", "sheet", str(cards), "--out", str(out))
    assert facts == {"sheet": str(out), "cards": 2, "sheets": 1}
    assert len(pypdfium2.PdfDocument(out)) == 2
    assert out.stat().st_mode & 0o777 == 0o600


def test_what_is_no_card_makes_no_sheet(blank: Desk, cards: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.pdf"
    result = blank.run("face", "sheet", str(cards / "notes.pdf"), "--out", str(out))
    assert result.exit_code == 1
    assert "not one of a card's face" in result.stderr
    (tmp_path / "empty").mkdir()
    assert blank.run("face", "sheet", str(tmp_path / "empty"), "--out", str(out)).exit_code == 2
    assert not out.exists()


def test_cards_are_printed_one_by_one_with_the_layers_asked_for(
    blank: Desk, cards: Path, fake_printers: FakePrinters
) -> None:
    facts = blank.facts("face", "print", str(cards), "--printer", "cards", "--layers", "personal")
    assert facts == {"printer": "cards", "cards": 2, "jobs": ["cards-1", "cards-2"]}
    whole = prepare_face(data()).pdf
    assert len(fake_printers.printed) < len(whole)
    assert [job[3] for job in fake_printers.jobs()] == ["799201000000001", "799201000000002"]


def test_sheets_are_printed_on_both_sides(blank: Desk, cards: Path, fake_printers: FakePrinters) -> None:
    facts = blank.facts("face", "print", str(cards), "--printer", "cards", "--sheet")
    assert facts["jobs"] == ["cards-1"]
    assert "sides=two-sided-long-edge" in fake_printers.jobs()[0]


def test_without_a_printer_nothing_is_printed(blank: Desk, cards: Path, tmp_path: Path) -> None:
    result = blank.run("face", "print", str(cards), "--printer", "cards", PATH=str(tmp_path))
    assert result.exit_code == 3
    assert "no print system" in result.stderr


def test_printers_are_completed(fake_printers: FakePrinters) -> None:
    assert [item.value for item in complete_printers(None, None, "c")] == ["cards"]  # type: ignore[arg-type]


def test_a_face_of_somebody_else_is_told_apart(blank: Desk, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    issued = blank.facts("issue", blank.record, *out, *blank.authority, "--template", "2009")
    pdf = issued["face_pdf"]
    assert blank.run("face", "check", blank.record, pdf, "--template", "2009").exit_code == 0
    forged = tmp_path / "forged.pdf"
    forged.write_bytes(prepare_face(replace(data("taro", Face.A), name="架空　次郎"), template("2009")).pdf)
    words = ("face", "check", blank.record, str(forged), "--serial", issued["serial"], "--template", "2009")
    facts = blank.facts(*words, code=1)
    assert not facts["matched"]
    assert "name" in {difference["what"] for difference in facts["differences"]}
    assert facts["differences"][0].keys() == {"kind", "side", "what", "reason"}
    result = blank.run(*words)
    assert result.exit_code == 1
    assert "front: name: character 1" in result.stdout
    assert blank.run("face", "check", blank.record, str(forged)).exit_code == 6, "no such card in the books"
