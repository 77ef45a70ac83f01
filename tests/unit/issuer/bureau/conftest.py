"""An authority, as it was founded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jukicard.issuer.authority.authority import Authority
from tests.support.bureau import Bureau
from tests.support.issued import AUTHORITY_PASSWORD, Offices, Stage


@pytest.fixture(scope="session")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture
def bureau(offices: Offices, tmp_path: Path) -> Iterator[Bureau]:
    office = offices.at(Stage.BLANK, tmp_path)
    with Authority.open(office.home, AUTHORITY_PASSWORD) as authority:
        yield Bureau(authority, tmp_path)
