"""Batches as a bureau runs them: by processes and by Dask, with everything killed once."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jukicard.issuer.ledger.ledger import Ledger
from tests.support import postgres
from tests.support.batches import SECONDS, BatchHome, ended, kill, workers_of


def facts(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, out + err
    return dict(json.loads(out))


def test_processes_one_of_which_is_killed(tmp_path: Path) -> None:
    batch = BatchHome(tmp_path, 60).prepare()
    with ended(batch.start("--workers", "2")) as process:
        batch.wait_for(10, process)
        workers_of(process)[0].send_signal(signal.SIGKILL)
        told = facts(process)
    assert (told["issued"], told["records"], told["spoilt"]) == (60, 60, 0)
    batch.check()


def test_the_whole_run_is_killed_and_resumed(tmp_path: Path) -> None:
    batch = BatchHome(tmp_path, 60).prepare()
    for cards in (0, 5, 30):
        with ended(batch.start("--workers", "2", *(["--resume"] if batch.begun() else []))) as process:
            batch.wait_for(cards, process)
            kill(process)
    told = batch.finish("--workers", "1", "--resume")
    assert told["issued"] == 60
    batch.check()
    again = subprocess.run(batch.batch(), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert again.returncode == 1
    assert "--resume goes on" in json.loads(again.stdout)["error"]["message"]


def test_bad_records_are_all_listed_with_exit_code_7(tmp_path: Path) -> None:
    batch = BatchHome(tmp_path, 3).prepare()
    records = tmp_path / "records.csv"
    records.write_text(records.read_text("utf-8").replace("male", "?").replace("99201", "13101"), "utf-8")
    done = subprocess.run(batch.batch(), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 7
    assert json.loads(done.stdout)["error"]["message"].count("records.csv line") == 6
    assert not batch.out.exists()


# --- Dask


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler on loopback, and workers of ours."""

    def __init__(self, batch: BatchHome, stack: ExitStack) -> None:
        self.batch, self._stack = batch, stack
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self.start_scheduler()

    def start_scheduler(self) -> subprocess.Popen[str]:
        where = ("--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *where]
        return self._started(command)

    def start_worker(self) -> subprocess.Popen[str]:
        return self._started(self.batch.command("batch", "worker", self.url))

    def _started(self, command: list[str]) -> subprocess.Popen[str]:
        log = (self.batch.folder / "cluster.log").open("a")
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
        return self._stack.enter_context(ended(process))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(BatchHome(tmp_path, 60).prepare(), stack)


def test_dask_loses_a_worker(cluster: Cluster) -> None:
    first, _ = cluster.start_worker(), cluster.start_worker()
    with ended(cluster.batch.start("--scheduler", cluster.url)) as process:
        cluster.batch.wait_for(10, process)
        kill(first)
        assert facts(process)["issued"] == 60
    cluster.batch.check()


def test_dasks_scheduler_is_restarted(cluster: Cluster) -> None:
    cluster.start_worker()
    with ended(cluster.batch.start("--scheduler", cluster.url)) as process:
        cluster.batch.wait_for(10, process)
        kill(cluster.scheduler)
        cluster.start_scheduler()
        cluster.start_worker()
        assert facts(process)["issued"] == 60
    cluster.batch.check()


# --- PostgreSQL


def test_the_database_is_gone_for_a_while(tmp_path: Path) -> None:
    with postgres.running() as server:
        name = server.new_database("books")
        Ledger.create(server.url(postgres.OWNER, name), postgres.ROLE).close()
        batch = BatchHome(tmp_path, 60, server.url(postgres.ROLE, name)).prepare()
        with ended(batch.start("--workers", "1")) as process:
            batch.wait_for(10, process)
            server.stop()
            back = threading.Timer(2, server.start)
            back.start()
            told = facts(process)
            back.join()
        assert told["issued"] == 60
        batch.check()
