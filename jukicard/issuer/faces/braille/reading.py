"""From the kana of a record to the reading that braille writes.

Kana braille writes long vowels as they sound: what is written with ウ after a sound in ウ or オ becomes ー (タロウ is
タロー); what is written with オ stays (オオヤマ), and so do ア, イ and エ.  But where ウ begins another part of the
name it is no long vowel (井上 イノ|ウエ, 松浦 マツ|ウラ), and kana do not show that: the rules propose, a person
confirms.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from jukicard.issuer.faces.braille.table import KANA, vowel

BOUNDARY = "|"
"""Written before a ウ that begins another part of the name."""

_LONG = "ー"
_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_SEPARATORS = re.compile(r"[ 　・]+")
_LATIN = re.compile(r"[A-Za-z]+|[0-9]+")
_HYPHEN = "゠"
_FAMILY_ENDINGS = ("ウエ", "ウチ", "ウラ")
"""上, 内 and 浦 at the end of a family name, after two sounds or more: 井上, 山内, 松浦."""


class BrailleError(ValueError):
    """A reading that braille cannot write; the message names the character, or what else is wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How a ウ was taken that might be a long vowel: `sound` is what stands before it."""

    sound: str
    long: bool

    def __str__(self) -> str:
        long, kept = f"{self.sound}{_LONG}", f"{self.sound}{BOUNDARY}ウ"
        if self.long:
            return f"{self.sound}ウ is a long vowel, {long}: if not, write {kept}"
        return f"{kept}: ウ begins another part of the name; if it is a long vowel, write {long}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading for braille: words of sounds (a sound is one kana, or two that braille writes as one).

    A run of digits or letters is one sound, too.  `text` given to `propose` again is the same reading.
    """

    words: tuple[tuple[str, ...], ...]
    decisions: tuple[Decision, ...] = ()

    @property
    def text(self) -> str:
        """The reading as it is confirmed: a full-width blank between words, | before a ウ that is no long vowel."""
        return "　".join("".join(word) for word in self.words)


def propose(kana: str) -> Reading:
    """Return the reading for braille of a name's kana, the family name first.

    Hiragana, katakana and half-width katakana are the same; a blank or ・ parts the words; | before a ウ says that it
    begins another part of the name.  BrailleError names a character that braille has no cells for.
    """
    text = unicodedata.normalize("NFKC", kana).translate(_TO_KATAKANA)
    words = [word for word in _SEPARATORS.split(text) if word.strip(BOUNDARY)]
    if not words:
        raise BrailleError("there is nothing to write")
    decisions: list[Decision] = []
    read = tuple(_word(_sounds(word), decisions, family=not number) for number, word in enumerate(words))
    return Reading(read, tuple(decisions))


def _sounds(word: str) -> list[str]:
    """Part a word into sounds; a boundary is one, too."""
    sounds, at = [], 0
    while at < len(word):
        run = _LATIN.match(word, at)
        if run:
            sound = run.group()
        elif word[at : at + 2] in KANA:
            sound = word[at : at + 2]
        elif word[at] in KANA or word[at] in (BOUNDARY, _HYPHEN):
            sound = word[at]
        else:
            raise BrailleError(_unknown(word, at))
        sounds.append(sound)
        at += len(sound)
    return sounds


def _unknown(word: str, at: int) -> str:
    character = word[at]
    named = f"U+{ord(character):04X}" + (f" ({character})" if character.isprintable() else "")
    if character in "ァィゥェォャュョヮヵヶ":
        return f"{named} has no cells in kana braille where it stands: write it as a full-size kana"
    return f"{named} has no cells in kana braille: give a reading in kana"


def _word(sounds: list[str], decisions: list[Decision], *, family: bool) -> tuple[str, ...]:
    """Make long vowels of what sounds so, and mark every ウ that might be one and is not."""
    kept = _kept_ending(sounds) if family else None
    made: list[str] = []
    for at, sound in enumerate(sounds):
        if sound == BOUNDARY:
            continue
        if sound == "ウ" and made and vowel(made[-1]) in ("ウ", "オ"):
            long = sounds[at - 1] != BOUNDARY and at != kept and not _is_long_o(made)
            decisions.append(Decision(made[-1], long))
            made.extend([_LONG] if long else [BOUNDARY, sound])
        else:
            made.append(sound)
    return tuple(made)


def _kept_ending(sounds: list[str]) -> int | None:
    """Return where the ウ of 上, 内 or 浦 at a family name's end is."""
    begin = len(sounds) - 2
    return begin if begin >= 2 and "".join(sounds[begin:]) in _FAMILY_ENDINGS else None


def _is_long_o(made: list[str]) -> bool:
    """Whether the sounds end in オ that makes a long vowel already (大内 オオウチ)."""
    return len(made) > 1 and made[-1] == "オ" and vowel(made[-2]) == "オ"
