"""The fast way: all tests are collected once, and each child swaps the code of the mutated functions in place.

A mutant in the body of a function does nothing before that function is called; so it is enough to exchange the code of
the function objects that exist, wherever decorators and tables have put them.  What was computed with the code as it
was (`lru_cache`) is forgotten.
"""

from __future__ import annotations

import functools
import gc
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage

from tests.mutation.operators import Mutant
from tests.mutation.running import Verdict, limit_time, run_all

BUDGET = 20.0
"""Seconds of tests that are spent on one mutant: the quick ones that can notice it.  What they do not notice has
survived, whatever slower ones might say.
"""

IMPORTING, COLLECTING = "import", "collection"
"""Coverage contexts besides those of the tests."""


@dataclass
class Baseline:
    """What the tests do without a mutant: seconds of CPU time of each, and the tests that ran each line of a file."""

    seconds: dict[str, float]
    lines: dict[str, dict[int, set[str]]]

    def tests(self, filename: str, first: int, last: int) -> set[str]:
        """The tests that ran any of these lines."""
        lines = self.lines.get(filename, {})
        return set().union(*(lines.get(line, set()) for line in range(first, last + 1))) - {IMPORTING, COLLECTING}

    def on_import(self, filename: str, first: int, last: int) -> bool:
        """Whether any of these lines ran while the project's modules were imported."""
        lines = self.lines.get(filename, {})
        return any(IMPORTING in lines.get(line, set()) for line in range(first, last + 1))

    def in_order(self, tests: set[str]) -> list[str]:
        """The quick ones first."""
        return sorted(tests, key=lambda test: (self.seconds[test], test))

    def beside(self, tests: set[str]) -> set[str]:
        """The other tests of the same files: they may use what one of these has made and a cache has kept."""
        files = {file_of(test) for test in tests}
        return {test for test in self.seconds if file_of(test) in files} - tests

    def within(self, budget: float, tests: list[str]) -> list[str]:
        """As many of these, from the first on, as take so many seconds together."""
        spent = itertools.accumulate(self.seconds[test] for test in tests)
        return [test for test, total in zip(tests, spent, strict=True) if total <= budget]


class WarmRun:
    """A pytest plugin that runs all tests once, and then the tests that can notice it on each mutant that can be tried
    in place; `left` are the others.
    """

    def __init__(
        self,
        mutants: list[Mutant],
        filenames: dict[str, str],
        coverage: Coverage,
        workers: int,
        done: Callable[[Mutant, Verdict], None],
    ) -> None:
        self._mutants = mutants
        self._filenames = filenames
        self._coverage = coverage
        self._workers = workers
        self._done = done
        self.failed: str | None = None
        self.baseline = Baseline({}, {})
        self.left: list[Mutant] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of pytest's loop."""
        self._items = {item.nodeid: item for item in session.items}
        self._caches = list(_caches())
        for _, items in itertools.groupby(session.items, lambda item: file_of(item.nodeid)):
            self._forget()  # not before each test: most would issue a card of their own
            for item in items:
                if not self._measure(item):
                    self.failed = item.nodeid
                    return True
        self._coverage.stop()
        data = self._coverage.get_data()
        for filename in self._filenames.values():
            contexts = data.contexts_by_lineno(filename)
            self.baseline.lines[filename] = {line: set(tests) for line, tests in contexts.items()}
        functions = {module: _functions(filename) for module, filename in self._filenames.items()}
        here = []
        for mutant in self._mutants:
            swaps = self._swaps(mutant, functions[mutant.module])
            if swaps is None:
                self.left.append(mutant)
            else:
                here.append((mutant, swaps))
        again = self._first_failure(self.baseline.in_order(set(self._items)))
        if again is not None:
            self.failed = f"{again} does not pass a second time in one process"
            return True
        limit_time(None)
        run_all(here, lambda job: self._survives(*job), self._workers, lambda job, verdict: self._done(job[0], verdict))
        return True

    def _measure(self, item: pytest.Item) -> bool:
        self._coverage.switch_context(item.nodeid)
        began = time.process_time()
        passed = _passes(item, None)
        self.baseline.seconds[item.nodeid] = time.process_time() - began
        return passed

    def _swaps(self, mutant: Mutant, functions: list[FunctionType]) -> list[tuple[FunctionType, CodeType]] | None:
        """The functions whose code this mutant replaces; None where it has to be imported anew."""
        filename = self._filenames[mutant.module]
        if not mutant.in_body or self.baseline.on_import(filename, mutant.first, mutant.last):
            return None
        codes = list(_codes(mutant.code))
        by_key = dict(codes)
        if len(by_key) < len(codes):  # two lambdas in one line
            return None
        swaps = [(function, by_key[key]) for function in functions if (key := _key(function.__code__)) in by_key]
        if any(function.__code__.co_freevars != code.co_freevars for function, code in swaps):
            return None
        return [(function, code) for function, code in swaps if function.__code__ != code]

    def _survives(self, mutant: Mutant, swaps: list[tuple[FunctionType, CodeType]]) -> bool:
        for function, code in swaps:
            function.__code__ = code
        tests = self.baseline.tests(self._filenames[mutant.module], mutant.first, mutant.last)
        order = [*self.baseline.in_order(tests), *self.baseline.in_order(self.baseline.beside(tests))]
        self._forget()
        return self._first_failure(self.baseline.within(BUDGET, order)) is None

    def _forget(self) -> None:
        for cache in self._caches:
            cache.cache_clear()

    def _first_failure(self, tests: list[str]) -> str | None:
        items = [self._items[test] for test in tests]
        for item, following in zip(items, [*items[1:], None], strict=True):
            limit_time(self.baseline.seconds[item.nodeid])
            if not _passes(item, following):
                return item.nodeid
        return None


def file_of(test: str) -> str:
    """The file that a test is in, as pytest names both."""
    return test.split("::")[0]


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _caches() -> Iterator[functools._lru_cache_wrapper[object]]:
    """Every `lru_cache` of the project and of its tests."""
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper) and each.__module__.split(".")[0] in {"jukicard", "tests"}:
            yield each


def _functions(filename: str) -> list[FunctionType]:
    """Every function that exists and was defined in that file."""
    name = os.path.realpath(filename)
    return [each for each in gc.get_objects() if isinstance(each, FunctionType) and each.__code__.co_filename == name]


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    """The code of every function in a module's."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield _key(constant), constant
            yield from _codes(constant)
