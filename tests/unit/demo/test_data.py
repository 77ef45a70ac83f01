"""The demo works installed, without the repository: its record is part of the package."""

from __future__ import annotations

from pathlib import Path

from jukicard.commands.demo.scene import RECORD

ROOT = Path(__file__).parents[3]


def test_the_packages_record_is_the_users_example() -> None:
    assert RECORD.read_bytes() == (ROOT / "examples" / "residents" / RECORD.name).read_bytes()
