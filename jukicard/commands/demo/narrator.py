"""Telling the story: numbered steps, on the screen and in the transcript, and the table at its end."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from jukicard.commands.demo.errors import StoryBroken

Echo = Callable[[str], None]
_INDENT = " " * 6


@dataclass(slots=True)
class Step:
    """One line of the closing table."""

    number: str
    title: str
    outcome: str = "shown"


class Narrator:
    """Numbers chapters and steps, and says everything to `echo` and to the transcript alike."""

    def __init__(self, echo: Echo, transcript: TextIO) -> None:
        self._echo = echo
        self._transcript = transcript
        self._chapters = 0
        self._steps: list[Step] = []
        self._in_chapter = 0

    def say(self, line: str = "") -> None:
        """Tell one line as it is."""
        self._tell(line, line)

    def chapter(self, title: str) -> None:
        """Begin a numbered chapter."""
        self._chapters += 1
        self._in_chapter = 0
        self.say()
        self.say(f"{self._chapters}  {title}")

    def step(self, title: str) -> None:
        """Begin a numbered step; what it rests on follows by `proof`."""
        self._in_chapter += 1
        step = Step(f"{self._chapters}.{self._in_chapter}", title)
        self._steps.append(step)
        self.say()
        self.say(f"{step.number:<4}  {title}")

    def note(self, text: str) -> None:
        """Explain something within a step."""
        self.say(_INDENT + text)

    def proof(self, text: str, *, holds: bool = True) -> None:
        """Tell what a step rests on.  StoryBroken where it does not hold."""
        if not holds:
            raise StoryBroken(f"step {self._steps[-1].number}: this does not hold: {text}")
        self.note(f"proof: {text}")

    def outcome(self, text: str) -> None:
        """Tell how the step ended; it stands in the closing table."""
        self._steps[-1].outcome = text
        self.note(f"-> {text}")

    def broken(self, what: str) -> StoryBroken:
        """Return the error that ends the story at the step under way."""
        return StoryBroken(f"step {self._steps[-1].number}: {what}")

    def reveal(self, text: str, secret: str, masked: str) -> None:
        """Tell a line with a secret in it, in place of {}: on the screen only; the transcript has it masked."""
        self._tell(_INDENT + text.format(secret), _INDENT + text.format(masked))

    def table(self) -> None:
        """Tell what was shown, step by step."""
        width = max(columns(step.title) for step in self._steps)
        for step in self._steps:
            gap = " " * (width - columns(step.title))
            self.say(f"{step.number:<4}  {step.title}{gap}  {step.outcome}")

    def _tell(self, spoken: str, written: str) -> None:
        self._echo(spoken.rstrip())
        self._transcript.write(written.rstrip() + "\n")
        self._transcript.flush()


def columns(text: str) -> int:
    """Return how many columns a terminal needs for a text: two for each full-width character."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
