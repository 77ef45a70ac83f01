"""A municipal counter worked by the `juki` command alone, each command a process of its own, with a real pcscd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.desk import private_file
from tests.support.inserted import wait_until
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, RECORD, WRONG_PASSWORD
from tests.support.pcscd import PrivatePcscd

SECONDS = 60


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


@dataclass
class Counter:
    """A folder with a home and password files; `done` is every command's outcome, `seen` what /proc showed of them."""

    folder: Path
    pcscd: PrivatePcscd
    done: list[Done] = field(default_factory=list)
    seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        (self.folder / "tmp").mkdir()
        self.authority = self._password("authority.txt", AUTHORITY_PASSWORD, "--authority-password-file")
        self.holder = self._password("holder.txt", PASSWORD, "--password-file")
        self.wrong = self._password("wrong.txt", WRONG_PASSWORD, "--password-file")
        self.reader = ("--reader", f"pcsc:{self.pcscd.reader_names[0]}")

    def _password(self, name: str, content: str, option: str) -> tuple[str, str]:
        (self.folder / "passwords").mkdir(exist_ok=True)
        return option, str(private_file(self.folder / "passwords" / name, content + "\n"))

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def card(self) -> Path:
        return self.folder / "card.juki"

    @property
    def trace(self) -> Path:
        return self.folder / "trace.txt"

    @property
    def environment(self) -> dict[str, str]:
        """Little more than what a command needs: what comes from this machine may hold any number."""
        kept = {name: self.pcscd.environment[name] for name in ("PATH", "PCSCLITE_CSOCK_NAME", "HOME", "LC_ALL")}
        return {**kept, "JUKI_HOME": str(self.home), "TMPDIR": str(self.folder / "tmp")}

    def juki(self, *arguments: str, code: int = 0) -> Done:
        """Run a command to its end, which must have this exit code."""
        with self._started(*arguments) as process:
            stdout, stderr = process.communicate(timeout=SECONDS)
        done = Done(arguments, process.returncode, stdout, stderr)
        self.done.append(done)
        assert done.code == code, done
        return done

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The card stands in the reader."""
        arguments = ("serve", str(self.card), "--vpcd", f"127.0.0.1:{self.pcscd.ports[0]}", "--trace", str(self.trace))
        with self._started(*arguments) as process:
            try:
                wait_until(lambda: self._present(process), "pcscd to notice the card")
                yield
            finally:
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=SECONDS)
                self.done.append(Done(arguments, process.returncode, stdout, stderr))
        assert process.returncode == 0, self.done[-1]

    def _present(self, process: subprocess.Popen[str]) -> bool:
        assert process.poll() is None, process.communicate()
        from jukicard.reader.pcsc import reader_states

        with self.pcscd.use_here():
            return any(state.name == self.pcscd.reader_names[0] and state.atr for state in reader_states())

    @contextmanager
    def _started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "jukicard.cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watcher = threading.Thread(target=self._watch, args=(process,), daemon=True)
        watcher.start()
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            watcher.join()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Keep what anybody may see of a process: its command line and its environment."""
        while process.poll() is None:
            for what in ("cmdline", "environ"):
                with suppress(OSError):
                    self.seen.add(Path(f"/proc/{process.pid}/{what}").read_bytes())
            time.sleep(0.05)

    def whole_life(self) -> None:
        """From nothing to an active card, through pcscd, refusals included."""
        self.juki("authority", "init", "--city-code", "99201", "--city-name", "見本市", *self.authority)
        self.juki("chip", "new", str(self.card), "--serial", "4711", "--json")
        issue = ("issue", str(RECORD), "--face", "A", "--service", "library")
        self.juki(*issue, "--dry-run")
        with self.serving():
            self.juki("reader", "list")
            self.juki(*issue, *self.reader, *self.authority, "--json")
            self.juki("handover", *self.reader, *self.holder, *self.authority)
            self.juki("auth", *self.reader, *self.wrong, *self.authority, code=4)
            self.juki("auth", *self.reader, *self.holder, *self.authority)
            self.juki("auth", *self.reader, *self.wrong, *self.authority, "--json", code=4)
            self.juki("auth", *self.reader, *self.holder, *self.authority, "--json")
            self.juki("auth", *self.reader, *self.holder, *self.authority, "--today", "2045-01-01", code=1)
            self.juki("auth", *self.reader, "--password-file", os.devnull, *self.authority, code=2)
            self.juki(*issue, *self.reader, *self.authority, code=1)  # it is no blank chip any more
            self.juki("card", "info", *self.reader, *self.authority, "--terminal", "counter", "--json")
            self.juki("apdu", *self.reader, "--decode", "00A4040000", "80CA00E000")
        self.juki("terminal", "list", "--json")
        self.juki("terminal", "export", "counter", "--pem", "--out", str(self.folder / "counter.pem"))
        self.juki("auth", "--reader", f"emulator:{self.card}", *self.holder, *self.authority, "--json")
        self.juki("auth", "--reader", f"emulator:{self.folder}/none.juki", *self.holder, *self.authority, code=3)
