"""`juki chip export|import|accept`, exported cards in every command, and older copies of card files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jukicard.commands import chip as commands
from jukicard.commands.session import Session
from jukicard.issuer.authority.anchors import ANCHORS_FILE, Anchors
from jukicard.issuer.errors import HomeDamaged
from jukicard.issuer.keys.storagekey import load_storage_key
from jukicard.reader.cardfile import CardFile, CardFileDiskFailed, card_id_of, is_exported
from tests.support.desk import Desk, private_file

PASSPHRASE = "violet lantern 58 harbour"


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for each derivation is meant, but not here; tests/unit/cardfile has the real one."""
    monkeypatch.setattr("jukicard.reader.cardfile.sealing._SCRYPT_N", 1 << 4)


@pytest.fixture
def passphrase(active: Desk) -> tuple[str, str]:
    return "--passphrase-file", str(private_file(active.folder / "passphrase.txt", PASSPHRASE + "\n"))


@pytest.fixture
def other(active: Desk) -> tuple[str, str]:
    return "--passphrase-file", str(private_file(active.folder / "other.txt", "a wrong passphrase\n"))


@pytest.fixture
def exported(active: Desk, passphrase: tuple[str, str]) -> Path:
    """The active card, exported."""
    out = active.folder / "exported.juki"
    facts = active.facts("chip", "export", str(active.card), str(out), *passphrase)
    assert facts == {"card": str(out), "original": str(active.card)}
    return out


def cells(desk: Desk, path: Path) -> dict[str, bytes]:
    with CardFile.open(path, load_storage_key(desk.home / "storage.key")) as card:
        return card.snapshot()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_exported_card_is_sealed_anew_and_the_original_stays(
    active: Desk, passphrase: tuple[str, str], exported: Path
) -> None:
    before = active.card.read_bytes()
    assert exported.stat().st_mode & 0o777 == 0o600
    assert is_exported(card_id_of(exported))
    again = active.folder / "again.juki"
    result = active.run("chip", "export", str(active.card), str(again), *passphrase)
    assert "as strong as its passphrase" in result.stderr
    assert card_id_of(again) != card_id_of(exported), "each export has a salt of its own"
    assert active.card.read_bytes() == before
    assert PASSPHRASE not in active.printed


def test_an_exported_card_works_in_every_command(active: Desk, passphrase: tuple[str, str], exported: Path) -> None:
    reader = ("--reader", f"emulator:{exported}")
    info = active.facts("card", "info", *reader, *passphrase)
    assert (info["kind"], info["password_tries_left"]) == ("jukicard", 3)
    assert active.facts("auth", *reader, *passphrase, *active.authority, *active.holder)["password_ok"] is True
    assert active.facts("apdu", *reader, *passphrase, "00A4040000")["responses"][0]["sw"] == "9000"
    assert active.facts("reader", "check", reader[1], *passphrase)["extended"] is True
    assert (
        active.facts("auth", *reader, *passphrase, *active.authority, *active.wrong, code=4)["error"]["tries_left"] == 2
    )
    assert active.facts("card", "info", "--reader", active.reader)["password_tries_left"] == 3, "tries of its own"


def test_without_the_options_the_passphrase_is_asked_for(active: Desk, exported: Path) -> None:
    result = active.run("card", "info", "--reader", f"emulator:{exported}", input=PASSPHRASE + "\n")
    assert result.exit_code == 0
    assert "Passphrase" in result.stderr
    assert PASSPHRASE not in result.output
    result = active.run("card", "info", "--reader", f"emulator:{exported}")
    assert result.exit_code == 2
    assert "--passphrase-file" in result.stderr


@pytest.mark.parametrize("command", ["info", "import"])
def test_a_wrong_passphrase_is_exit_code_4(active: Desk, exported: Path, other: tuple[str, str], command: str) -> None:
    before = exported.read_bytes()
    words = {
        "info": ("card", "info", "--reader", f"emulator:{exported}"),
        "import": ("chip", "import", str(exported), str(active.folder / "in.juki")),
    }[command]
    error = active.facts(*words, *other, code=4)["error"]
    assert "passphrase does not open it" in error["message"]
    assert exported.read_bytes() == before
    assert not (active.folder / "in.juki").exists()


def test_imported_it_is_a_card_of_this_home(active: Desk, passphrase: tuple[str, str], exported: Path) -> None:
    before, card = exported.read_bytes(), active.folder / "imported.juki"
    facts = active.facts("chip", "import", str(exported), str(card), *passphrase)
    assert facts == {"card": str(card), "original": str(exported)}
    assert cells(active, card) == cells(active, active.card)
    assert card_id_of(card) not in (card_id_of(exported), card_id_of(active.card))
    assert exported.read_bytes() == before
    assert (
        active.facts("auth", "--reader", f"emulator:{card}", *active.authority, *active.holder)["password_ok"] is True
    )


def test_a_colleague_without_a_home_gets_a_storage_key_and_needs_the_citys_terminal(
    active: Desk, passphrase: tuple[str, str], exported: Path
) -> None:
    home = ("--home", str(active.folder / "colleague"))
    card = active.folder / "mine.juki"
    active.facts("chip", "import", str(exported), str(card), *passphrase, *home)
    assert active.facts("card", "info", "--reader", f"emulator:{card}", *home)["kind"] == "jukicard"
    error = active.facts("auth", "--reader", f"emulator:{card}", *home, *active.authority, *active.holder, code=6)
    assert "no authority" in error["error"]["message"]


@pytest.mark.parametrize("text", ["short", "elevenchars", ""])
def test_a_short_passphrase_is_refused(active: Desk, text: str) -> None:
    given = ("--passphrase-file", str(private_file(active.folder / "short.txt", text + "\n")))
    out = active.folder / "out.juki"
    assert active.run("chip", "export", str(active.card), str(out), *given).exit_code == 2
    assert not out.exists()


def test_at_the_prompt_a_short_passphrase_is_asked_for_again_and_a_good_one_twice(active: Desk) -> None:
    out = active.folder / "out.juki"
    answers = "short\nshort\n" + f"{PASSPHRASE}\n{PASSPHRASE}\n"
    result = active.run("chip", "export", str(active.card), str(out), input=answers)
    assert result.exit_code == 0, result.output
    assert "12 characters" in result.stderr
    assert PASSPHRASE not in result.output
    assert is_exported(card_id_of(out))


def test_nothing_is_overwritten_and_no_passphrase_asked_for(active: Desk, exported: Path) -> None:
    before = files(active.folder)
    for words in (
        ("export", active.card, exported),
        ("import", exported, active.card),
        ("export", active.card, active.card),
    ):
        result = active.run("chip", *map(str, words))
        assert result.exit_code == 1
        assert "left alone" in result.stderr
        assert "Passphrase" not in result.stderr
    dangling = active.folder / "dangling.juki"
    dangling.symlink_to("nowhere.juki")
    assert active.run("chip", "export", str(active.card), str(dangling)).exit_code == 1
    dangling.unlink()
    assert files(active.folder) == before


def test_what_is_no_card_for_that_is_refused(active: Desk, passphrase: tuple[str, str], exported: Path) -> None:
    out = str(active.folder / "out.juki")
    result = active.run("chip", "export", str(exported), out, *passphrase)
    assert (result.exit_code, "exported card already" in result.stderr) == (1, True)
    result = active.run("chip", "import", str(active.card), out, *passphrase)
    assert (result.exit_code, "no exported card" in result.stderr) == (1, True)
    assert active.run("chip", "export", str(active.folder / "none.juki"), out, *passphrase).exit_code == 3
    assert active.run("chip", "import", str(active.folder / "holder.txt"), out, *passphrase).exit_code == 3
    assert active.run("chip", "export", str(active.card), f"{out}/x/y", *passphrase).exit_code == 3
    assert not Path(out).exists()


@pytest.mark.parametrize("step", ["initialise", "publish"])
def test_whole_or_not_at_all(
    active: Desk, passphrase: tuple[str, str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    place = {"initialise": "jukicard.reader.cardfile.database", "publish": "jukicard.reader.cardfile.disk.LocalDisk"}[
        step
    ]
    monkeypatch.setattr(f"{place}.{step}", fail)
    before = files(active.folder)
    result = active.run("chip", "export", str(active.card), str(active.folder / "out.juki"), *passphrase)
    assert result.exit_code == 3
    assert "No space" in result.stderr
    after = files(active.folder)
    after.pop(f"home/{ANCHORS_FILE}", None)
    assert after == before


def test_the_passphrase_may_come_from_a_descriptor_and_is_read_once(active: Desk, exported: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"0000\n{PASSPHRASE}\n".encode())  # the holder's is checked before a card is touched
    os.close(writing)
    words = ("--reader", f"emulator:{exported}", "--passphrase-fd", str(reading), "--password-fd", str(reading))
    result = active.run("auth", *words, *active.authority)
    os.close(reading)
    assert result.exit_code == 4, result.output
    assert "2 tries left" in result.stderr


def test_the_session_does_not_show_the_keys_it_derived(
    active: Desk, exported: Path, passphrase: tuple[str, str]
) -> None:
    session = Session(home_given=active.home, passphrase_file=Path(passphrase[1]))
    key = session.card_key(card_id_of(exported))
    assert len(key) == 32
    assert key.hex() not in repr(session)
    assert repr(key) not in repr(session)


# Older copies.


@pytest.fixture
def older(active: Desk) -> Path:
    """A copy of the card from before two of its tries were spent."""
    copy = active.folder / "older.juki"
    shutil.copy(active.card, copy)
    for _ in range(2):
        active.run("auth", "--reader", active.reader, *active.authority, *active.wrong)
    return copy


def test_an_older_copy_put_in_the_cards_place_is_refused(active: Desk, older: Path) -> None:
    shutil.copy(older, active.card)
    before = active.card.read_bytes()
    for words in (("card", "info", "--reader"), ("reader", "check"), ("apdu", "00A40400", "--reader")):
        result = active.run(*words, active.reader)
        assert result.exit_code == 1
        assert "older copy" in result.stderr
        assert f"juki chip accept {active.card}" in result.stderr
    assert active.run("chip", "export", str(active.card), str(active.folder / "out.juki"), input="").exit_code in (1, 2)
    assert active.run("serve", str(active.card)).exit_code == 1
    assert active.card.read_bytes() == before


def test_under_another_name_it_is_the_same_card(active: Desk, older: Path) -> None:
    assert active.run("card", "info", "--reader", f"emulator:{older}").exit_code == 1


def test_its_owner_may_take_the_older_copy(active: Desk, older: Path) -> None:
    shutil.copy(older, active.card)
    facts = active.facts("chip", "accept", str(active.card), "--yes")
    assert facts["card"] == str(active.card)
    assert facts["commits"] < facts["reached_before"]
    assert active.facts("card", "info", "--reader", active.reader)["password_tries_left"] == 3


def test_accept_asks_and_no_is_no(active: Desk, older: Path) -> None:
    shutil.copy(older, active.card)
    result = active.run("chip", "accept", str(active.card), input="n\n")
    assert result.exit_code == 1
    assert str(active.card) in result.stderr
    assert active.run("card", "info", "--reader", active.reader).exit_code == 1
    assert active.run("chip", "accept", str(active.card), input="y\n").exit_code == 0
    assert active.run("card", "info", "--reader", active.reader).exit_code == 0


def test_accept_takes_a_card_whose_log_was_lost(active: Desk) -> None:
    key = load_storage_key(active.home / "storage.key")
    card = CardFile.open(active.card, key)
    card.commit({"some cell": b"x"})
    copy = active.card.read_bytes()
    card.close()
    active.card.write_bytes(copy)
    result = active.run("card", "info", "--reader", active.reader)
    assert result.exit_code == 1
    assert "juki chip accept" in result.stderr
    active.facts("chip", "accept", str(active.card), "--yes")
    assert active.run("card", "info", "--reader", active.reader).exit_code == 0


def test_at_first_sight_any_state_is_taken(active: Desk, older: Path) -> None:
    (active.home / ANCHORS_FILE).unlink()
    shutil.copy(older, active.card)
    assert active.run("card", "info", "--reader", active.reader).exit_code == 0


def test_the_anchor_is_what_the_closed_file_holds(active: Desk) -> None:
    active.run("auth", "--reader", active.reader, *active.authority, *active.wrong)
    with CardFile.open(active.card, load_storage_key(active.home / "storage.key")) as card:
        assert Anchors(active.home / ANCHORS_FILE).reached(card.card_id) == card.commits


def test_killed_before_the_anchor_was_written_the_card_opens(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Session, "_note", lambda session, card: None)
        active.run("auth", "--reader", active.reader, *active.authority, *active.wrong)
    assert active.facts("card", "info", "--reader", active.reader)["password_tries_left"] == 2


def test_an_exported_card_may_be_put_back_by_whoever_got_it(
    active: Desk, passphrase: tuple[str, str], exported: Path
) -> None:
    """It is a fixture: CI starts every run with a fresh copy."""
    working = active.folder / "working.juki"
    for _ in range(2):
        shutil.copy(exported, working)
        words = ("--reader", f"emulator:{working}", *passphrase)
        assert active.facts("auth", *words, *active.authority, *active.wrong, code=4)["error"]["tries_left"] == 2


def test_a_damaged_anchor_file_is_the_homes_matter(active: Desk) -> None:
    (active.home / ANCHORS_FILE).write_bytes(b"no database")
    result = active.run("card", "info", "--reader", active.reader)
    assert result.exit_code == 6
    assert ANCHORS_FILE in result.stderr


def test_an_anchor_that_cannot_be_written_is_a_warning(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = active.card.read_bytes()

    def full(anchors: Anchors, value: str, card_id: bytes, commits: int) -> None:
        raise HomeDamaged("the disk is full")

    monkeypatch.setattr(Anchors, "_put", full)
    result = active.run("card", "info", "--reader", active.reader)
    assert result.exit_code == 0
    assert "Warning" in result.stderr
    assert "older copy" in result.stderr
    assert active.card.read_bytes() == before


def test_without_a_home_there_is_no_anchor_and_no_home_is_made(active: Desk) -> None:
    key, home = active.home / "storage.key", active.folder / "nowhere"
    words = ("--storage-key", str(key), "--home", str(home))
    assert active.run("card", "info", "--reader", active.reader, *words).exit_code == 0
    assert not home.exists()


def test_a_card_of_another_home_is_told_what_to_do(active: Desk) -> None:
    home = active.folder / "another"
    active.run("chip", "new", str(active.folder / "b.juki"), "--home", str(home))
    result = active.run("card", "info", "--reader", active.reader, "--home", str(home))
    assert result.exit_code == 6
    assert "export" in result.stderr


def test_a_home_that_has_seen_cards_can_still_become_an_authoritys(active: Desk) -> None:
    home = ("--home", str(active.folder / "fresh"))
    active.facts("chip", "new", str(active.folder / "b.juki"), *home)
    active.facts("card", "info", "--reader", f"emulator:{active.folder}/b.juki", *home)
    city = ("--city-code", "99201", "--city-name", "見本市")
    assert active.run("authority", "init", *city, *active.authority, *home).exit_code == 0
    assert active.run("card", "info", "--reader", f"emulator:{active.folder}/b.juki", *home).exit_code == 0


def test_a_disk_that_fails_while_accepting_changes_no_anchor(
    active: Desk, older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(older, active.card)
    reached = Anchors(active.home / ANCHORS_FILE).reached(card_id_of(active.card))

    def fail(*_arguments: object, **_options: object) -> Callable[[], None]:
        raise CardFileDiskFailed(str(active.card), "failing")

    monkeypatch.setattr(commands.CardFile, "open", fail)
    assert active.run("chip", "accept", str(active.card), "--yes").exit_code == 3
    assert Anchors(active.home / ANCHORS_FILE).reached(card_id_of(active.card)) == reached
