"""Japanese braille (点字) of names: kana braille of six dots, from the reading and never from the kanji.

`table` has the cells, `reading` the rules that make the reading for braille of a name's kana, `signs` joins the two.
"""

from jukicard.issuer.faces.braille.reading import BrailleError, Decision, Reading, propose
from jukicard.issuer.faces.braille.signs import MAX_CELLS, Braille, Sign, braille, from_brf, to_brf

__all__ = [
    "MAX_CELLS",
    "Braille",
    "BrailleError",
    "Decision",
    "Reading",
    "Sign",
    "braille",
    "from_brf",
    "propose",
    "to_brf",
]
