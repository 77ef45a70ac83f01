"""Crews: the processes of one machine, or Dask's workers on several.  The same groups, the same workshop."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from jukicard.commands.batch.workplace import Workplace, open_workplace
from jukicard.issuer.bureau.run import WorkersLost
from jukicard.issuer.bureau.workshop import Delivery, GroupJob, make_group
from jukicard.issuer.errors import IssuerError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10


class _Settled(Protocol):
    """A future of any kind that has its outcome."""

    def result(self) -> Any: ...


class ProcessCrew:
    """Processes of this machine."""

    def __init__(self, size: int, place: Workplace) -> None:
        self.size = size
        self._place = place
        self._pool = self._new_pool()
        self._broken: ProcessPoolExecutor | None = None

    def __enter__(self) -> ProcessCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, job: GroupJob) -> Future[Delivery]:
        """See Crew."""
        pool = self._pool
        try:
            made = pool.submit(make_group, job)
        except BrokenExecutor as error:
            self._broken = pool
            return _lost(error)
        made.add_done_callback(functools.partial(self._look_at, pool))
        return _following(made.add_done_callback, (BrokenExecutor,))

    def _look_at(self, pool: ProcessPoolExecutor, made: Future[Delivery]) -> None:
        """One process's end takes its whole pool with it, and nothing of the next one."""
        if not made.cancelled() and isinstance(made.exception(), BrokenExecutor):
            self._broken = pool

    def recover(self) -> None:
        """See Crew: new processes take the place of those that one's end has taken with it."""
        if self._broken is not self._pool:
            return
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        context = get_context("spawn")  # nothing of this process's connections, tokens and threads is theirs
        return ProcessPoolExecutor(self.size, context, initializer=open_workplace, initargs=(self._place,))


class DaskCrew:
    """Workers that `juki batch worker` has brought to a Dask scheduler."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = self._connect()
        self._size = 1

    def __enter__(self) -> DaskCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close(timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]

    @property
    def size(self) -> int:
        """See Crew: as many as there are just now, or were when the scheduler was last heard of."""
        with suppress(*_losses()):
            self._size = max(1, sum(self._client.ncores().values()))  # type: ignore[no-untyped-call]
        return self._size

    def submit(self, job: GroupJob) -> Future[Delivery]:
        """See Crew."""
        losses = _losses()
        gone: tuple[type[Exception], ...] = (*losses, RuntimeError)  # the latter from a client without its scheduler
        try:
            made = self._client.submit(make_group, job, pure=False)
            return _following(made.add_done_callback, losses)
        except gone as error:
            return _lost(error)

    def recover(self) -> None:
        """See Crew: the scheduler may be another process by now. To close a client takes with it what others make."""
        with suppress(*_losses()):
            if self._client.status == "running" and self._client.ncores():  # type: ignore[no-untyped-call]
                return
        with suppress(*_losses()):
            self._client.close(timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
        self._client = self._connect()

    def _connect(self) -> Client:
        try:
            from distributed import Client
        except ImportError:
            raise IssuerError("batches on several machines need the extra 'dask': install jukicard[dask]") from None
        try:
            client = Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            raise WorkersLost(f"no workers at {self._address}") from error
        return client


def _losses() -> tuple[type[Exception], ...]:
    """What Dask raises when a worker, or the scheduler with all it knew, is gone."""
    from distributed import CancelledError as DaskCancelled
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    return (KilledWorker, CancelledError, DaskCancelled, FutureCancelledError, CommClosedError, OSError, TimeoutError)


def _lost(error: Exception) -> Future[Delivery]:
    future: Future[Delivery] = Future()
    future.set_exception(WorkersLost(str(error) or type(error).__name__))
    return future


def _following(
    when_done: Callable[[Callable[[_Settled], None]], None], losses: tuple[type[BaseException], ...]
) -> Future[Delivery]:
    """Return a future that follows another one, and tells the loss of a worker as what it is."""
    follower: Future[Delivery] = Future()

    def follow(leader: _Settled) -> None:
        if not follower.set_running_or_notify_cancel():
            return
        try:
            follower.set_result(leader.result())
        except losses as error:
            follower.set_exception(WorkersLost(str(error) or type(error).__name__))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the waiting side's to handle
            follower.set_exception(error)

    when_done(follow)
    return follower
