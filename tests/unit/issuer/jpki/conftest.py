"""The CAs that the tests share; nothing changes them."""

from __future__ import annotations

import pytest

from tests.support.issued import Offices
from tests.support.jpki import AUTHENTICATION, TestCa, make_ca


@pytest.fixture(scope="session")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Offices:
    """Offices of every stage."""
    return Offices(tmp_path_factory.mktemp("offices"))


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestCa:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def other_ca(tmp_path_factory: pytest.TempPathFactory) -> TestCa:
    """Another CA of the same name."""
    return make_ca(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture(scope="session")
def authentication_ca(tmp_path_factory: pytest.TempPathFactory) -> TestCa:
    return make_ca(tmp_path_factory.mktemp("authentication"), "authentication", AUTHENTICATION)


@pytest.fixture(scope="session")
def leaf(ca: TestCa) -> bytes:
    return ca.issue()
