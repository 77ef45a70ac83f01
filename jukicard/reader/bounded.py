"""Bounds on calls that wait without limit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TypeVar

from jukicard.iso7816.errors import ReaderBusy

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T], undo: Callable[[T], None], busy: str) -> T:
    """The result of `work`, or ReaderBusy(busy) when it takes longer than that.

    PC/SC's calls wait without limit while another program holds the card, and cannot be interrupted. One
    that is given up goes on in its thread; should it succeed after all, `undo` takes its result back.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            with contextlib.suppress(InvalidStateError):
                future.set_exception(error)
            return
        try:
            future.set_result(value)
        except InvalidStateError:  # the caller has gone
            undo(value)

    threading.Thread(target=run, name="pcsc", daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.cancel():
            raise ReaderBusy(busy) from None
        return future.result()
    except KeyboardInterrupt:
        if not future.cancel() and future.exception() is None:
            undo(future.result())
        raise
