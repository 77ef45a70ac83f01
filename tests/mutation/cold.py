"""The slow way: each child imports everything anew, with the mutant in the place of its module.

For what happens while a module is imported: constants, command tables, default values.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType

import pytest

from tests.mutation.running import limit_time
from tests.mutation.warm import file_of


class _MutantFinder(importlib.abc.MetaPathFinder):
    """Finds one module, and gives it other code."""

    def __init__(self, name: str, filename: str, code: CodeType) -> None:
        self._name = name
        self._filename = filename
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._filename, loader=_MutantLoader(self._code))


class _MutantLoader(importlib.abc.Loader):
    def __init__(self, code: CodeType) -> None:
        self._code = code

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


class _InOrder:
    """A pytest plugin: only these tests, in this order."""

    def __init__(self, tests: list[str], seconds: dict[str, float]) -> None:
        self._order = {test: index for index, test in enumerate(tests)}
        self._seconds = seconds

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._order]
        items.sort(key=lambda item: self._order[item.nodeid])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        limit_time(self._seconds[item.nodeid])


def passes(
    name: str, filename: str, code: CodeType, stages: list[list[str]], seconds: dict[str, float], options: list[str]
) -> bool:
    """Run these tests in this process, in which nothing of the project has been imported yet, with other code for the
    module `name`, and tell whether all pass.  The files of a later stage are not even collected if a test of an earlier
    one fails.
    """
    limit_time(10)
    sys.meta_path.insert(0, _MutantFinder(name, filename, code))
    importlib.import_module(name)  # before pytest brings a finder of its own
    for tests in stages:
        limit_time(10)
        files = list(dict.fromkeys(file_of(test) for test in tests))
        outcome = pytest.main([*options, "-x", *files], plugins=[_InOrder(tests, seconds)])
        if outcome not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            return False
    return True
