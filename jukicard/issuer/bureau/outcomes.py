"""What became of each record of a run, as JSON lines: made from the books again whenever a run is resumed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TextIO

from jukicard.issuer.files import PRIVATE_FILE

FILE = "outcomes.jsonl"


class Result(StrEnum):
    """What became of a record: a card, a spoilt one, or none, since the books refused it."""

    ISSUED = "issued"
    SPOILT = "spoilt"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line. `row` counts from 1; `reason` says why there is no card."""

    row: int
    result: Result
    serial: str | None = None
    reason: str | None = None


class Outcomes:
    """The file of a run's outcomes (mode 0600), open for further lines."""

    def __init__(self, folder: Path) -> None:
        """Open it in the run's folder; it is made if need be."""
        descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        self._file: TextIO = os.fdopen(descriptor, "a", encoding="utf-8")

    def __enter__(self) -> Outcomes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, outcome: Outcome) -> None:
        """Add a line."""
        members = {"row": outcome.row, "result": outcome.result, "serial": outcome.serial, "reason": outcome.reason}
        given = {name: value for name, value in members.items() if value is not None}
        self._file.write(json.dumps(given, ensure_ascii=False) + "\n")
        self._file.flush()

    def begin_anew(self) -> None:
        """Take all lines out: they are about to be written again."""
        self._file.truncate(0)
