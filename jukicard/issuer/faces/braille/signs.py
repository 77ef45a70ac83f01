"""The signs of a reading: cells, as Unicode and as BRF."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jukicard.issuer.faces.braille.reading import BOUNDARY, BrailleError, Reading
from jukicard.issuer.faces.braille.table import BLANK, CAPITAL, DIGITS, FOREIGN, JOINER, KANA, LETTERS, NUMBER

MAX_CELLS = 11
"""What a card has room for, as My Number cards have it.  濁音符 and the like count as one, and so does the blank
between the names: each of them is a cell."""

_BRF = " A1B'K2L@CIF/MSP\"E3H9O6R^DJG>NTQ,*5<-U8V.%[$+X!&;:4\\0Z7(_?W]#Y)="
"""North American ASCII braille, in the order of Unicode's block."""

_LIKE_DIGITS = frozenset("アイウルラエレリオロ")
"""Kana with the cells of digits: after a number they need a joiner."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A sound, or what parts two, and its cells (Unicode)."""

    text: str
    cells: str


@dataclass(frozen=True, slots=True)
class Braille:
    """The braille of a reading."""

    reading: Reading
    signs: tuple[Sign, ...]

    @property
    def unicode(self) -> str:
        """The cells as characters of U+2800 to U+283F."""
        return "".join(sign.cells for sign in self.signs)

    @property
    def brf(self) -> str:
        """The cells as North American ASCII braille, which braille printers read."""
        return to_brf(self.unicode)

    def fitting(self) -> Braille:
        """Return this, if a card has room for it.  BrailleError for more than `MAX_CELLS` cells."""
        cells = len(self.unicode)
        if cells > MAX_CELLS:
            raise BrailleError(
                f"needs {cells} cells, and the card has room for {MAX_CELLS}: confirm a shorter reading, such as the "
                "family name alone"
            )
        return self


def braille(reading: Reading) -> Braille:
    """Write a reading in braille, of any length."""
    signs: list[Sign] = []
    for number, word in enumerate(reading.words):
        if number:
            signs.append(Sign(" ", BLANK))
        signs.extend(Sign(sound, _cells(sound)) for sound in _joined(word))
    return Braille(reading, tuple(signs))


def to_brf(cells: str) -> str:
    """Return cells (Unicode) as North American ASCII braille."""
    return "".join(_BRF[ord(character) - 0x2800] for character in cells)


def from_brf(text: str) -> str:
    """Return North American ASCII braille as cells.  ValueError for any other character."""
    return "".join(chr(0x2800 + _BRF.index(character)) for character in text.upper())


def _joined(word: tuple[str, ...]) -> list[str]:
    """Put a joiner (つなぎ符) where a number or letters would run into what follows; boundaries are not written."""
    sounds = [sound for sound in word if sound != BOUNDARY]
    made = sounds[:1]
    for before, sound in pairwise(sounds):
        letters = before.isascii() and before.isalpha() and sound != "゠"
        digits = before.isdecimal() and sound[0] in _LIKE_DIGITS
        made.extend(["゠", sound] if letters or digits else [sound])
    return made


def _cells(sound: str) -> str:
    if sound in KANA:
        return KANA[sound]
    if sound == "゠":
        return JOINER
    if sound.isdecimal():
        return NUMBER + "".join(DIGITS[digit] for digit in sound)
    if sound.isupper() and len(sound) > 1:
        return FOREIGN + CAPITAL * 2 + "".join(LETTERS[letter] for letter in sound.lower())
    return FOREIGN + "".join(CAPITAL * letter.isupper() + LETTERS[letter.lower()] for letter in sound)
