"""Cards issued by the real issuing machine, under the name that tests know, and their record."""

from __future__ import annotations

from pathlib import Path

from jukicard.testing.offices import (
    AUTHORITY_PASSWORD,
    CHIP_NUMBER,
    CITY,
    PASSWORD,
    TODAY,
    WRONG_PASSWORD,
    Office,
    Offices,
    Stage,
    blank_cells,
    clock,
    new_card,
    ticking,
)

RECORD = Path(__file__).parents[2] / "examples" / "residents" / "taro.json"

__all__ = [
    "AUTHORITY_PASSWORD",
    "CHIP_NUMBER",
    "CITY",
    "PASSWORD",
    "RECORD",
    "TODAY",
    "WRONG_PASSWORD",
    "Office",
    "Offices",
    "Stage",
    "blank_cells",
    "clock",
    "new_card",
    "ticking",
]
