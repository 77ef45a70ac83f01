"""Setting up a worker's workshop: in a process of a run's own, or one that waits for a Dask scheduler's tasks."""

from __future__ import annotations

import gc
import os
import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.workshop import Workshop, set_up
from jukicard.reader.press import EmulatorPress

GARBAGE_AFTER = 50_000
"""Objects after which a worker looks for cycles: those of some ten cards."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a worker finds its tools. It crosses to a worker's process through a pipe, never as an argument."""

    home: Path
    storage_key: bytes = field(repr=False)
    password: str = field(repr=False)


def open_workplace(place: Workplace) -> None:
    """Make this process a worker. ^C is for the process that leads it. Raises as `Authority.open`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    authority = Authority.open(place.home, place.password)
    set_up(Workshop(authority, EmulatorPress(place.storage_key), os.urandom, lambda: datetime.now(UTC)))
    gc.freeze()  # what is there now stays; looking through it again and again takes a twelfth of a card's time
    gc.set_threshold(GARBAGE_AFTER)
