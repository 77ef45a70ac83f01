"""A card put into the emulator for one scene: traced into a file, and with its chip's own words overheard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jukicard.commands.demo.narrator import Narrator
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed, CardStatusError
from jukicard.iso7816.status import StatusWord
from jukicard.issuer.errors import CardRefused
from jukicard.reader.chips import CardFileChip, CardFileConnection
from jukicard.reader.trace import Trace, TracedConnection


class ChipWords:
    """Overhears a chip (`card.ports.Observer`): its last status word, and its reason where it refused.

    A terminal sees the status word only.  The reason is what the chip would tell its maker: by it the demo knows that
    the chip refused for the reason that the story gives, and for no other.
    """

    def __init__(self) -> None:
        self.sw = StatusWord.OK
        self.reason = ""

    def exchange(self, command: bytes, response: bytes) -> None:
        """See Observer."""
        self.sw = StatusWord.from_bytes(response[-2:])
        if not self.refused:
            self.reason = ""

    def refusal(self, reason: str) -> None:
        """See Observer."""
        self.reason = reason

    @property
    def refused(self) -> bool:
        """Whether the chip's last answer was a refusal."""
        return self.sw.is_error or self.sw.tries_left is not None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Where an attempt is refused: the step's name, the card's status word (None: the terminal refuses), the reason.

    As an expectation, `reason` is what must occur in the words of whoever refuses.
    """

    step: str
    sw: int | None
    reason: str

    def covers(self, actual: Refusal) -> bool:
        """Return whether an actual refusal is the expected one."""
        return (self.step, self.sw) == (actual.step, actual.sw) and self.reason in actual.reason

    def __str__(self) -> str:
        if self.sw is None:
            return f"refused by the terminal at: {self.step}"
        return f"refused by the card at: {self.step} ({self.sw:04X})"


@dataclass(frozen=True, slots=True)
class Desk:
    """A terminal's desk with a card in its reader."""

    connection: CardConnection
    chip: ChipWords
    trace: Trace

    def must_fail(self, narrator: Narrator, title: str, attempt: Callable[[], object], expected: Refusal) -> None:
        """Tell a step that must fail.  StoryBroken if it succeeds, or fails otherwise than expected."""
        narrator.step(title)
        self.trace.event(title)
        actual = self.refusal_of(attempt)
        if actual is None:
            raise narrator.broken("this must fail, and it succeeded")
        if not expected.covers(actual):
            raise narrator.broken(f"{actual}: {actual.reason}; the story says: {expected}: {expected.reason}")
        narrator.note(f"reason: {actual.reason}")
        narrator.outcome(str(actual))

    def refusal_of(self, attempt: Callable[[], object]) -> Refusal | None:
        """Make an attempt, and return where it was refused, or None.  Errors of other families pass: they are no
        refusals.
        """
        try:
            attempt()
        except AuthenticationFailed as error:
            step, words = error.step, error.reason
        except CardStatusError as error:
            step, words = error.what, error.sw.description
        except CardRefused as error:
            return Refusal("card status", None, str(error))
        else:
            return None
        if self.chip.refused:
            return Refusal(step, self.chip.sw, self.chip.reason or self.chip.sw.description)
        return Refusal(step, None, words)


@contextmanager
def card_on_desk(card: Path, storage_key: bytes, trace_file: Path) -> Iterator[Desk]:
    """Put the chip of a card file into the emulator, and trace what is said, redacted, at the end of a file."""
    chip = ChipWords()
    with trace_file.open("a", encoding="utf-8") as lines:
        inserted = CardFileConnection(CardFileChip(card, storage_key, observer=chip))
        trace = Trace(lambda line: lines.write(line + "\n"))
        connection = TracedConnection(inserted, trace)
        try:
            yield Desk(connection, chip, trace)
        finally:
            connection.close()
