"""`juki serve` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jukicard.reader.pcsc import reader_states
from tests.support.desk import Desk
from tests.support.inserted import wait_until
from tests.support.pcscd import PrivatePcscd

REST_SECONDS = 0.7
JUKI = (sys.executable, "-m", "jukicard.cli")


@contextmanager
def served(pcscd: PrivatePcscd, desk: Desk, *more: str, card: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """`juki serve` in a process of its own, with the desk's card or another file of its home, until ^C."""
    words = ("serve", str(card or desk.card), "--vpcd", f"127.0.0.1:{pcscd.ports[0]}", *more)
    environment = {**os.environ, "JUKI_HOME": str(desk.home)}
    with (
        subprocess.Popen(
            [*JUKI, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process,
        pcscd.use_here(),
    ):
        try:
            assert process.stdout is not None
            assert "virtual reader" in process.stdout.readline()
            wait_until(lambda: present(pcscd), "pcscd to notice the card")
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
            # However it ended: the next card must not be taken for this one, nor come before the reader has rested.
            wait_until(lambda: not present(pcscd), "pcscd to notice that the card is gone")
            time.sleep(REST_SECONDS)


def present(pcscd: PrivatePcscd) -> bool:
    """Whether pcscd sees a card in its first reader."""
    return any(state.name == pcscd.reader_names[0] and state.atr for state in reader_states())
