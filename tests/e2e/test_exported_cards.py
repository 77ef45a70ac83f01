"""An exported card with a real pcscd and another home: served, checked, imported; and an older copy that is refused."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.support.desk import Desk, private_file
from tests.support.issued import PASSWORD, Offices, Stage
from tests.support.pcscd import PrivatePcscd
from tests.support.served import served

PASSPHRASE = "violet lantern 58 harbour"


def reader_of(pcscd: PrivatePcscd) -> str:
    return f"pcsc:{pcscd.reader_names[0]}"


@pytest.fixture
def desk(offices: Offices, tmp_path: Path) -> Desk:
    return Desk.at(offices, Stage.ACTIVE, tmp_path)


@pytest.fixture
def passphrase(desk: Desk) -> tuple[str, str]:
    return "--passphrase-file", str(private_file(desk.folder / "passphrase.txt", PASSPHRASE + "\n"))


def test_an_exported_card_stands_in_the_reader_by_its_contactless_interface(
    real_pcscd: PrivatePcscd, desk: Desk, passphrase: tuple[str, str]
) -> None:
    exported, trace = desk.folder / "exported.juki", desk.folder / "trace.txt"
    desk.facts("chip", "export", str(desk.card), str(exported), *passphrase)
    with served(real_pcscd, desk, *passphrase, "--contactless", "--trace", str(trace), card=exported) as process:
        checked = desk.facts("reader", "check", reader_of(real_pcscd))
        assert checked["atr"].replace(" ", "") == "3B888001000014E0B38191005E"
        assert (checked["protocol"], checked["extended"], checked["transaction"]) == ("T=1", True, True)
        assert checked["reset"] is checked["same_atr_after_reset"] is True
        assert checked["median_us"] > 0
        assert desk.facts("card", "info", "--reader", reader_of(real_pcscd))["kind"] == "jukicard"
        secret = desk.run(
            "apdu",
            "--reader",
            reader_of(real_pcscd),
            "00A4040C0AD3921000310001010401",
            f"0020008104{PASSWORD.encode().hex()}",
        )
        assert secret.exit_code == 0
        assert (
            desk.facts("auth", "--reader", reader_of(real_pcscd), *desk.authority, *desk.holder)["password_ok"] is True
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    text = trace.read_text(encoding="utf-8")
    assert "power on (contactless)" in text
    assert "VERIFY" in text
    for secret_text in (PASSWORD.encode().hex(), PASSPHRASE, PASSPHRASE.encode().hex()):
        assert secret_text.lower() not in text.lower().replace(" ", "")
    assert trace.stat().st_mode & 0o777 == 0o600


def test_without_a_card_in_the_reader_the_check_up_is_exit_code_3(real_pcscd: PrivatePcscd, desk: Desk) -> None:
    with real_pcscd.use_here():
        result = desk.run("reader", "check", reader_of(real_pcscd))
    assert (result.exit_code, result.stdout) == (3, "")
    assert "empty" in result.stderr or "no card" in result.stderr


def test_what_a_served_card_went_through_is_anchored(real_pcscd: PrivatePcscd, desk: Desk) -> None:
    older = desk.folder / "older.juki"
    shutil.copy(desk.card, older)
    with served(real_pcscd, desk) as process:
        assert (
            desk.facts("auth", "--reader", reader_of(real_pcscd), *desk.authority, *desk.wrong, code=4)["error"][
                "tries_left"
            ]
            == 2
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    shutil.copy(older, desk.card)
    error = desk.facts("card", "info", "--reader", desk.reader, code=1)["error"]
    assert "older copy" in error["message"]
    assert "juki chip accept" in error["message"]


def test_killed_in_the_reader_the_card_is_not_taken_for_an_older_copy(real_pcscd: PrivatePcscd, desk: Desk) -> None:
    for left in (2, 1):
        with served(real_pcscd, desk) as process:
            error = desk.facts("auth", "--reader", reader_of(real_pcscd), *desk.authority, *desk.wrong, code=4)["error"]
            assert error["tries_left"] == left
            process.kill()
            process.wait(20)
    assert desk.facts("card", "info", "--reader", desk.reader)["password_tries_left"] == 1


def test_a_colleague_of_another_city_reads_what_anybody_may_and_gets_no_further(
    desk: Desk, passphrase: tuple[str, str]
) -> None:
    exported, card = desk.folder / "exported.juki", desk.folder / "colleagues.juki"
    home = ("--home", str(desk.folder / "colleague"))
    desk.facts("chip", "export", str(desk.card), str(exported), *passphrase)
    desk.facts("authority", "init", "--city-code", "99202", "--city-name", "試験市", *desk.authority, *home)
    desk.facts("chip", "import", str(exported), str(card), *passphrase, *home)
    reader = ("--reader", f"emulator:{card}")
    info = desk.facts("card", "info", *reader, *home)
    assert (info["kind"], info["password_tries_left"]) == ("jukicard", 3)
    refused = desk.facts("auth", *reader, *desk.authority, *desk.holder, *home, code=1)
    assert refused["error"]["code"] == 1
    assert refused.get("password_ok") is not True
    assert desk.facts("card", "info", *reader, *home)["password_tries_left"] == 3
    assert desk.facts("auth", *reader, *desk.authority, *desk.holder, code=6)["error"]["code"] == 6
    assert desk.facts("auth", "--reader", desk.reader, *desk.authority, *desk.holder)["password_ok"] is True
