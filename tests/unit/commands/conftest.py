"""Desks of every stage: built once in a test session, copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.issued import Offices, Stage


@pytest.fixture(scope="session")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture
def blank(offices: Offices, tmp_path: Path) -> Desk:
    """A blank chip, and nothing in the books."""
    return Desk.at(offices, Stage.BLANK, tmp_path)


@pytest.fixture
def awaiting(offices: Offices, tmp_path: Path) -> Desk:
    """A card that awaits its handover."""
    return Desk.at(offices, Stage.AWAITING_HANDOVER, tmp_path)


@pytest.fixture
def active(offices: Offices, tmp_path: Path) -> Desk:
    """A card that was handed over."""
    return Desk.at(offices, Stage.ACTIVE, tmp_path)
