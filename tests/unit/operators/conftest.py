"""A bureau with operators: made once in a test session, copied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.operators import Bureau, make_bureau


@pytest.fixture(scope="session")
def made_bureau(tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    return make_bureau(tmp_path_factory.mktemp("bureau"))


@pytest.fixture
def bureau(made_bureau: Bureau, tmp_path: Path) -> Iterator[Bureau]:
    found = made_bureau.copy(tmp_path)
    yield found
    found.authority.close()
