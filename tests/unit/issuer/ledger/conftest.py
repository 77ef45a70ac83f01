"""Books of both kinds, empty, for tests that hold for either."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from jukicard.issuer.ledger.ledger import Ledger
from tests.support import postgres

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as started:
        yield started


@pytest.fixture
def database(server: postgres.Server) -> str:
    """The name of an empty database."""
    return server.new_database(f"books{next(_numbers)}")


@pytest.fixture
def postgresql(server: postgres.Server, database: str) -> str:
    """The URL of empty books, as who appends to them."""
    Ledger.create(server.url(postgres.OWNER, database), postgres.ROLE).close()
    return server.url(postgres.ROLE, database)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where empty books are."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    path = tmp_path / "ledger.sqlite"
    Ledger.create(path).close()
    return path


@pytest.fixture
def books(place: Path | str) -> Iterator[Ledger]:
    with Ledger.open(place) as opened:
        yield opened
