"""`juki braille`, and the confirmation of the reading when a card is issued."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support.desk import Desk
from tests.support.issued import RECORD

HANAKO = RECORD.with_name("hanako.json")
PORTRAIT = RECORD.with_name("portrait-drawn.png")
CELLS = "⠷⠮⠴⠀⠥⠅⠪"


def into(desk: Desk, *more: str) -> tuple[str, ...]:
    return ("issue", str(HANAKO), "--out", str(desk.folder / "out"), *desk.authority, *more)


def braille_of(desk: Desk) -> dict[str, object]:
    (facts,) = (desk.folder / "out").glob("*.json")
    found: dict[str, object] = json.loads(facts.read_text(encoding="utf-8"))["braille"]
    return found


def test_a_name_is_shown_for_the_eye_and_for_programs(blank: Desk) -> None:
    facts = blank.facts("braille", "ジュウキ", "タロウ")
    assert facts.keys() == {"reading", "unicode", "brf", "cells", "notes", "dots"}
    assert (facts["reading"], facts["unicode"], facts["brf"], facts["cells"]) == (
        "ジューキ　タロー",
        "⠘⠹⠒⠣⠀⠕⠚⠒",
        "^?3< OJ3",
        8,
    )
    assert facts["dots"][0] == [19.13, 41.4]
    shown = blank.run("braille", "ジュウキ タロウ", "--template", "2009").stdout
    assert "⠘⠹⠒⠣⠀⠕⠚⠒" in shown
    assert "dots  1  ⠘  19.20,41.05  19.20,43.25" in shown
    assert "dots  5" not in shown  # the blank has none


@pytest.mark.parametrize(("kana", "why"), [("山田 太郎", "U+5C71"), ("ガガガガガガ", "12 cells")])
def test_what_cannot_be_embossed_is_refused(blank: Desk, kana: str, why: str) -> None:
    result = blank.run("braille", kana)
    assert result.exit_code == 1
    assert why in result.stderr


def test_a_dry_run_shows_the_proposal_and_asks_nothing(blank: Desk) -> None:
    proposed = blank.facts(*into(blank, "--dry-run"))["braille"]
    assert proposed == {
        "reading": "ミホン　ハナコ",
        "unicode": CELLS,
        "brf": "(!0 UK[",
        "cells": 7,
        "notes": [],
        "confirmed": False,
        "refused": None,
    }
    confirmed = blank.facts(*into(blank, "--dry-run", "--braille-reading", "ハナコ"))["braille"]
    assert (confirmed["reading"], confirmed["confirmed"]) == ("ハナコ", True)
    assert blank.facts("issue", blank.record, "--dry-run")["braille"] is None


def test_without_a_terminal_it_is_refused_and_nothing_is_done(blank: Desk) -> None:
    before = blank.ledger()
    result = blank.run(*into(blank))
    assert result.exit_code == 2
    assert "--braille-reading" in result.stderr
    assert blank.ledger() == before
    assert not (blank.folder / "out").exists()


def test_enter_confirms_the_proposal(blank: Desk) -> None:
    result = blank.run(*into(blank), input="\n")
    assert result.exit_code == 0, result.output
    assert CELLS in result.stderr
    assert braille_of(blank)["unicode"] == CELLS


def test_another_reading_is_shown_again_before_it_counts(blank: Desk) -> None:
    """The first one is too long, the second is no kana, the third is confirmed."""
    result = blank.run(*into(blank), input="ミホンヤマ ハナコハナコ\n見本\nミホン\n\n")
    assert result.exit_code == 0, result.output
    assert "12 cells" in result.stderr
    assert "U+898B" in result.stderr
    assert braille_of(blank)["unicode"] == "⠷⠮⠴"


def test_a_reading_given_is_the_confirmed_one(blank: Desk) -> None:
    assert blank.facts(*into(blank, "--braille-reading", "コ|ウラ ハナ"))
    assert braille_of(blank)["reading"] == "コ|ウラ　ハナ"


@pytest.mark.parametrize(
    ("record", "reading", "why"),
    [
        (HANAKO, "ミホンミホンミホンミホン", "hanako.json: braille_reading: needs 12 cells"),
        (HANAKO, "見本", "hanako.json: braille_reading: U+898B"),
        (RECORD, "タロウ", "taro.json: braille_reading: is given, and braille is not wanted"),
    ],
    ids=["long", "kanji", "not wanted"],
)
def test_a_reading_that_cannot_be_used_is_a_bad_record(blank: Desk, record: Path, reading: str, why: str) -> None:
    before = blank.ledger()
    words = ("issue", str(record), "--face", "A", "--out", str(blank.folder / "out"), "--braille-reading", reading)
    result = blank.run(*words, *blank.authority)
    assert result.exit_code == 7
    assert why in result.stderr
    assert blank.ledger() == before


def test_without_a_face_nobody_is_asked(blank: Desk) -> None:
    result = blank.run("issue", str(HANAKO), "--face", "A", "--reader", blank.reader, *blank.authority)
    assert result.exit_code == 0, result.output
    assert "braille" not in result.stderr


def test_the_part_of_the_photo_can_be_named(blank: Desk, tmp_path: Path) -> None:
    wide = Image.new("RGB", (1800, 1157), "#203040")
    wide.paste(Image.open(PORTRAIT).convert("RGB"), (40, 0))
    photo = tmp_path / "wide.png"
    wide.crop((0, 0, 1200, 1157)).save(photo)
    words = (*into(blank), "--photo", str(photo), "--braille-reading", "ハナコ")
    assert blank.run(*words, "--photo-crop", "40,0,900").exit_code == 2
    assert blank.run(*words, "--photo-crop", "400,0,900,1157").exit_code == 7
    assert blank.run(*words, "--photo-crop", "40,0,900,1157").exit_code == 0


def with_reading(desk: Desk, reading: str) -> str:
    record = {**json.loads(HANAKO.read_text(encoding="utf-8")), "photo": str(PORTRAIT), "braille_reading": reading}
    path = desk.folder / "confirmed.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return str(path)


def test_a_reading_in_the_record_is_confirmed_already(blank: Desk) -> None:
    record = with_reading(blank, "ハナコ")
    dry = blank.facts("issue", record, "--dry-run")["braille"]
    assert (dry["reading"], dry["confirmed"]) == ("ハナコ", True)
    overruled = blank.facts("issue", record, "--dry-run", "--braille-reading", "ミホン")["braille"]
    assert overruled["reading"] == "ミホン"
    result = blank.run("issue", record, "--out", str(blank.folder / "out"), *blank.authority)
    assert result.exit_code == 0, result.output
    assert "confirms" not in result.stderr
    assert braille_of(blank)["reading"] == "ハナコ"
    (pdf,) = (blank.folder / "out").glob("*.pdf")
    assert blank.facts("face", "check", record, str(pdf))["matched"]
    differing = blank.run("face", "check", str(HANAKO), str(pdf), "--braille-reading", "ミホン")
    assert (differing.exit_code, differing.stdout) == (1, "front: braille: the dots are not those of the record\n")
    unconfirmed = blank.run("face", "check", str(HANAKO), str(pdf))
    assert unconfirmed.exit_code == 7
    assert "braille_reading: is missing" in unconfirmed.stderr


def test_layers_without_the_dots_are_refused_where_there_are_any(blank: Desk) -> None:
    before = blank.ledger()
    words = (*into(blank, "--braille-reading", "ハナコ"), "--layers", "personal")
    result = blank.run(*words)
    assert result.exit_code == 1
    assert "name emboss too" in result.stderr
    assert blank.ledger() == before
    assert blank.run(*words, "--layers", "emboss").exit_code == 0
