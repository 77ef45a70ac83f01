"""The pages about the JPKI application: their commands work as printed, their versions are those of the transcripts."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.jpkitranscripts import FOLDER
from tests.support.pages import ROOT, run_page
from tests.support.pcscd import PrivatePcscd

CLIENTS, APPLICATION = ROOT / "docs" / "jpki-clients.md", ROOT / "docs" / "jpki.md"


def test_the_commands_with_other_programs_work_as_printed(tmp_path: Path) -> None:
    with PrivatePcscd() as pcscd:
        ran = run_page(CLIENTS, tmp_path, pcscd)
    (key,) = (tmp_path / "here" / "authorized_keys").read_text().splitlines()
    assert key.startswith("ssh-rsa ")
    assert key.endswith("Digital Signature Public Key")
    assert "Tries left     : 5" in ran.output


def test_the_commands_at_the_counter_work_as_printed(tmp_path: Path) -> None:
    ran = run_page(APPLICATION, tmp_path)
    assert (tmp_path / "here" / "contract.txt.p7s").stat().st_size > 1000
    assert "住基　太郎" in ran.output


def test_it_names_the_versions_of_the_transcripts() -> None:
    text = CLIENTS.read_text(encoding="utf-8")
    for path in FOLDER.glob("*.dialogue"):
        version = re.search(r"Recorded with .*?(\d+\.\d+(?:\.\d+)?)", path.read_text())
        assert version
        assert version[1] in text, path.name
