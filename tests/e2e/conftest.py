"""What the end-to-end tests share: one pcscd and the offices per test process, copies per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.issued import Office, Offices, Stage
from tests.support.pcscd import PrivatePcscd


@pytest.fixture(scope="session")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    """Offices of every stage, built once."""
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture
def office_at(offices: Offices, tmp_path: Path) -> Iterator[Callable[[Stage], Office]]:
    """Gives this test an office of its own at a stage."""
    with ExitStack() as stack:

        def at(stage: Stage) -> Office:
            office = offices.at(stage, tmp_path / stage.name.lower())
            stack.callback(office.close)
            return office

        yield at


@pytest.fixture
def active(office_at: Callable[[Stage], Office]) -> Office:
    """An office whose card was handed over."""
    return office_at(Stage.ACTIVE)


@pytest.fixture
def blank(office_at: Callable[[Stage], Office]) -> Office:
    """An office with a blank chip, and nothing in its books."""
    return office_at(Stage.BLANK)


@pytest.fixture
def awaiting(office_at: Callable[[Stage], Office]) -> Office:
    """An office whose card awaits its handover."""
    return office_at(Stage.AWAITING_HANDOVER)


@pytest.fixture(scope="module")
def real_pcscd() -> Iterator[PrivatePcscd]:
    """A private pcscd with one reader."""
    with PrivatePcscd() as pcscd:
        yield pcscd
