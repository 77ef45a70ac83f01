"""The page that leads from the claims to their proofs names only what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "independence.md").read_text()


def test_every_proof_that_the_page_names_is_a_test() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", written, re.MULTILINE))
    assert len(named) > 15
    assert named <= there


def test_every_mechanism_that_the_page_names_is_a_file() -> None:
    named = set(re.findall(r"`((?:jukicard|tests)/[\w/]+(?:\.py)?|\.importlinter)`", PAGE))
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_shows_by_design_stands_on_the_page() -> None:
    assert "<!-- what shows by design -->" in PAGE
