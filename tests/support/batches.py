"""Batches by the command line, as processes that can be killed, and what must be true of them afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.outcomes import FILE
from jukicard.issuer.bureau.run import folder_of
from jukicard.issuer.keys.places import Token
from jukicard.issuer.ledger.rules import Status
from tests.support.bureau import residents, write_records
from tests.support.desk import private_file
from tests.support.tokens import PIN

PASSWORD = "correct horse 4711"
SECONDS = 600


@dataclass
class BatchHome:
    """An authority's home and a file of residents, for `juki batch run`."""

    folder: Path
    cards: int
    ledger_url: str | None = None
    name: str = "evening"
    group: str = "5"
    faces: bool = False
    token: Token | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def prepare(self) -> BatchHome:
        private_file(self.folder / "password", (PASSWORD if self.token is None else PIN) + "\n")
        url = [] if self.ledger_url is None else ["--ledger-url", self.ledger_url]
        token = self.token
        keys = (
            [] if token is None else ["--hsm", token.library, "--hsm-token", token.label, "--hsm-serial", token.serial]
        )
        self.juki("authority", "init", "--city-code", "99201", "--city-name", "見本市", *url, *keys)
        write_records(self.folder / "records.csv", residents(self.cards))
        return self

    def command(self, *words: str) -> list[str]:
        authority = ("--home", str(self.home), "--authority-password-file", str(self.folder / "password"))
        return [sys.executable, "-m", "jukicard.cli", *words, *authority]

    def juki(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=SECONDS, env=self.environment, check=True
        )

    def juki_public(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command that needs no key."""
        command = [sys.executable, "-m", "jukicard.cli", *words, "--home", str(self.home)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=self.environment, check=True
        )

    def batch(self, *words: str) -> list[str]:
        records = str(self.folder / "records.csv")
        out = (
            "--out",
            str(self.out),
            "--name",
            self.name,
            *([] if self.faces else ["--no-face"]),
            "--json",
            "--group",
            self.group,
        )
        return self.command("batch", "run", records, *out, *words)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.batch(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run, whatever comes of it."""
        return subprocess.run(self.batch(*words), capture_output=True, text=True, env=self.environment, check=False)

    def run_to_end(self, *words: str) -> str:
        """Run, and return what was printed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def finish(self, *words: str) -> dict[str, object]:
        return dict(json.loads(self.run_to_end(*words)))

    def issued(self) -> int:
        """Cards that are issued, by the outcomes."""
        try:
            return (self.out / FILE).read_bytes().count(b'"issued"')
        except FileNotFoundError:
            return 0

    def wait_for(self, cards: int, process: subprocess.Popen[str]) -> None:
        """Wait until so many cards are issued, or the run has ended."""
        until = time.monotonic() + SECONDS
        while self.issued() < cards and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)

    def begun(self) -> bool:
        with Authority.open(self.home) as authority:
            return bool(authority.ledger.entries(self.name))

    def check(self) -> None:
        """Nothing is lost, nothing is there twice, and the books verify."""
        with Authority.open(self.home) as authority:
            cards = list(authority.ledger.cards_of_run(self.name))
            rows = sorted(int(state.facts["row"]) for state in cards)
            assert rows == list(range(1, self.cards + 1))
            assert {state.status for state in cards} == {Status.AWAITING_HANDOVER}
            assert len({state.chip for state in cards}) == len({state.code_digest for state in cards}) == self.cards
            assert authority.ledger.verify() == authority.ledger.head()
        files = {path for path in self.out.rglob("*") if path.is_file()}
        expected = {folder_of(self.out, state.serial) / f"{state.serial}.juki" for state in cards}
        assert files == expected | {self.out / FILE}
        assert self.issued() == self.cards


def kill(process: subprocess.Popen[str]) -> None:
    """End a run and all its workers as a power failure would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A run's worker processes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """See to it that a process is gone afterwards."""
    try:
        yield process
    finally:
        kill(process)
