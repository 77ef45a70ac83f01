from __future__ import annotations

import threading

import pytest

from jukicard.iso7816.errors import ReaderBusy
from jukicard.reader.bounded import within


def test_a_quick_result_is_returned() -> None:
    assert within(5, lambda: 42, _never, "busy") == 42


def test_an_error_passes() -> None:
    def fail() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        within(5, fail, _never, "busy")


def test_a_late_result_is_undone() -> None:
    gate, undone = threading.Event(), threading.Event()
    results: list[int] = []

    def late() -> int:
        gate.wait(5)
        return 42

    def undo(result: int) -> None:
        results.append(result)
        undone.set()

    with pytest.raises(ReaderBusy, match="held"):
        within(0.05, late, undo, "held")
    gate.set()
    assert undone.wait(5)
    assert results == [42]


def test_a_late_error_is_nobodys_business() -> None:
    gate, ended = threading.Event(), threading.Event()

    def late() -> int:
        try:
            gate.wait(5)
            raise KeyError("x")
        finally:
            ended.set()

    with pytest.raises(ReaderBusy):
        within(0.05, late, _never, "held")
    gate.set()
    assert ended.wait(5)


def _never(_result: int) -> None:
    raise AssertionError("nothing to undo")
