"""The documentation's table of dialogues, which is read from their text."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from jukicard.applets.folder.applet import FolderApplet
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.jpki.applet import JpkiApplet
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library.applet import LibraryApplet
from jukicard.card.system_commands import System

ROOT = Path(__file__).parents[3]
HANDSHAKES = {
    "PERFORM SECURITY OPERATION (verify certificate)",
    "EXTERNAL AUTHENTICATE",
    "MUTUAL AUTHENTICATE (SCP11a)",
    "INTERNAL AUTHENTICATE (SCP11b)",
}
"""Rows of the domains that only a session's opening comes to with success."""


@pytest.fixture(scope="module")
def dialogue_rows() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dialogue_rows", ROOT / "docs" / "dialogue_rows.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def reached(dialogue_rows: ModuleType, folder: Path, text: str) -> dict[tuple[type, str], tuple[list[str], list[str]]]:
    (folder / "07-x.dialogue").write_text("# Card: active. Readers: any.\n# What it shows.\n\nreset *\n" + text)
    rows = dialogue_rows.rows_reached(dialogue_rows.dialogue_files(folder))
    return {row: (found.met, found.refused) for row, found in rows.items()}


def test_a_command_is_the_selected_applications(dialogue_rows: ModuleType, tmp_path: Path) -> None:
    text = """
> 00 A4 04 0C 0A D3 92 10 00 31 00 01 01 04 01
< 90 00
> 00 20 00 81
< 63 C3
> 00 A4 04 0C 0B F0 4A 55 4B 49 03 99 20 1F 00 01
< 6A 82
> 00 24 01 81 01 31
< 69 82
> 80 CA 00 45 00
< * 90 00
> 80 F2 40 02 02 4F 00 00
< 6D 00
"""
    assert reached(dialogue_rows, tmp_path, text) == {
        (System, "SELECT (application)"): (["07"], ["07"]),
        (JukiApplet, "VERIFY"): (["07"], []),
        (JukiApplet, "CHANGE REFERENCE DATA (initial password)"): ([], ["07"]),
        (SecurityDomain, "GET DATA"): (["07"], []),
    }


def test_a_channel_has_an_application_of_its_own_and_a_reset_ends_that(
    dialogue_rows: ModuleType, tmp_path: Path
) -> None:
    select = "A4 04 0C 0B F0 4A 55 4B 49 03 99 20 1F 00 0"
    text = f"""
> 01 {select}1
< 90 00
> 00 {select}2
< 90 00
> 01 B0 81 00 00
< 69 82
> 00 B0 81 00 00
< 90 00
reset *
> 00 B0 9E 00 00
< 90 00
"""
    rows = reached(dialogue_rows, tmp_path, text)
    assert rows[LibraryApplet, "READ BINARY"] == ([], ["07"])
    assert rows[FolderApplet, "READ BINARY"] == (["07"], [])
    assert rows[SecurityDomain, "READ BINARY"] == (["07"], [])


def test_an_answer_tells_which_application_a_part_of_a_name_found(dialogue_rows: ModuleType, tmp_path: Path) -> None:
    text = """
> 00 A4 04 00 01 D3 00
< 6F .. 84 0A D3 92 10 00 31 00 01 01 04 01 * 90 00
> 00 20 00 81
< 63 C3
"""
    assert (JukiApplet, "VERIFY") in reached(dialogue_rows, tmp_path, text)


def test_what_is_wrapped_or_a_link_of_a_chain_is_nobodys(dialogue_rows: ModuleType, tmp_path: Path) -> None:
    text = """
> 84 CA 00 66 08 00 00 00 00 00 00 00 00 00
< 69 82
> 90 E2 90 00 01 00
< 90 00
> 00
< 67 00
"""
    assert reached(dialogue_rows, tmp_path, text) == {}


def test_a_file_without_its_first_line_is_refused(dialogue_rows: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "01-x.dialogue").write_text("reset *\n")
    with pytest.raises(ValueError, match=r"01-x\.dialogue"):
        dialogue_rows.dialogue_files(tmp_path)


def test_every_row_is_in_some_dialogue(dialogue_rows: ModuleType) -> None:
    """What playing the dialogues shows (tests/e2e/test_dialogues.py), the table shows as well."""
    files = dialogue_rows.dialogue_files(ROOT / "tests" / "conformance")
    rows = dialogue_rows.rows_reached(files)
    names = {file.name for file in files}
    assert len(names) == len(files)
    unmet = set()
    for owner in (System, SecurityDomain, JukiApplet, LibraryApplet, FolderApplet, JpkiApplet):
        for row in owner.table.rows:
            found = rows[owner, row.name]
            assert found.refused
            assert names.issuperset(found.met + found.refused)
            if not found.met:
                unmet.add((owner, row.name))
    assert unmet == {(SecurityDomain, name) for name in HANDSHAKES}


def test_the_page_names_dialogues_that_exist_and_leaves_none_out(dialogue_rows: ModuleType) -> None:
    names = {file.name for file in dialogue_rows.dialogue_files(ROOT / "tests" / "conformance")}
    text = (ROOT / "docs" / "conformance.md").read_text()
    shown_by = [line.split("|")[2] for line in text.splitlines() if line.startswith("|")]
    named = {name for cell in shown_by for name in re.findall(r"\bS?\d\d\b", cell)}
    assert named <= names
    spans = re.findall(r"(S?)(\d\d) to S?(\d\d)", " ".join(shown_by))
    named |= {f"{kind}{number:02}" for kind, low, high in spans for number in range(int(low), int(high) + 1)}
    assert named == names
