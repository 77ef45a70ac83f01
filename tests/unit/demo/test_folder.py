"""The demo's folder: a former demo's is replaced, everything else is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from jukicard.commands.demo.errors import FolderRefused
from jukicard.commands.demo.folder import MARKER, DemoFolder


def _former_demo(path: Path) -> DemoFolder:
    folder = DemoFolder(path)
    folder.prepare()
    (folder.cards / "old.juki").write_text("old")
    folder.transcript.write_text("old")
    return folder


@pytest.mark.parametrize("empty_folder_is_there", [False, True])
def test_a_missing_or_empty_folder_is_taken(tmp_path: Path, empty_folder_is_there: bool) -> None:
    out = tmp_path / "deep" / "demo"
    if empty_folder_is_there:
        out.mkdir(parents=True)
    folder = DemoFolder(out)
    folder.prepare()
    assert (out / MARKER).is_file()
    assert all(made.is_dir() for made in (folder.records, folder.cards, folder.traces, folder.passwords))
    assert folder.passwords.stat().st_mode & 0o777 == 0o700


def test_what_a_former_demo_made_is_replaced(tmp_path: Path) -> None:
    folder = _former_demo(tmp_path / "demo")
    folder.prepare()
    assert list(folder.cards.iterdir()) == []
    assert not folder.transcript.exists()


def test_what_a_user_put_beside_it_stays(tmp_path: Path) -> None:
    folder = _former_demo(tmp_path / "demo")
    (folder.path / "mine.txt").write_text("mine")
    (folder.path / "mine").mkdir()
    folder.prepare()
    assert (folder.path / "mine.txt").read_text() == "mine"
    assert (folder.path / "mine").is_dir()


def test_a_link_in_a_former_demo_is_removed_and_not_what_it_points_to(tmp_path: Path) -> None:
    folder = _former_demo(tmp_path / "demo")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious")
    folder.home.symlink_to(precious)
    folder.prepare()
    assert (precious / "file").read_text() == "precious"
    assert not folder.home.is_symlink()


@pytest.mark.parametrize("name", ["file", "cards", MARKER], ids=["file", "folder of the same name", "other marker"])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    out = tmp_path / "theirs"
    out.mkdir()
    (out / name).write_text("theirs")
    with pytest.raises(FolderRefused) as caught:
        DemoFolder(out).prepare()
    assert caught.value.exit_code == 1
    assert [(child.name, child.read_text()) for child in out.iterdir()] == [(name, "theirs")]


def test_a_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "file"
    out.write_text("theirs")
    with pytest.raises(FolderRefused):
        DemoFolder(out).prepare()
    assert out.read_text() == "theirs"


def test_passwords_are_private_and_not_overwritten(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    folder.prepare()
    folder.write_secret("holder", "word")
    assert (folder.passwords / "holder").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        folder.write_secret("holder", "another")
