"""The cells of kana braille (日本点字表記法), as characters of Unicode's block U+2800: one character is one cell.

A kana is its vowel's dots (1, 2, 4) and its row's (3, 5, 6).  What a kana has beside that stands before it, in a cell
of its own: 濁音符, 半濁音符, and the prefixes of contracted and foreign sounds.
"""

from __future__ import annotations

from collections.abc import Mapping

BLANK = "\u2800"


def cell(*dots: int) -> str:
    """Return the cell with these dots (1 to 3 down the left, 4 to 6 down the right)."""
    return chr(0x2800 + sum(1 << dot - 1 for dot in dots))


def dots_of(character: str) -> tuple[int, ...]:
    """Return the dots of a cell."""
    bits = ord(character) - 0x2800
    return tuple(dot for dot in range(1, 7) if bits >> dot - 1 & 1)


VOICED, HALF_VOICED = cell(5), cell(6)
NUMBER, FOREIGN, CAPITAL, JOINER = cell(3, 4, 5, 6), cell(5, 6), cell(6), cell(3, 6)
"""数符, 外字符, 大文字符, つなぎ符."""

VOWELS = "アイウエオ"
_VOWEL_DOTS = ((1,), (1, 2), (1, 4), (1, 2, 4), (2, 4))
_ROW_DOTS: Mapping[str, tuple[int, ...]] = {
    "アイウエオ": (),
    "カキクケコ": (6,),
    "サシスセソ": (5, 6),
    "タチツテト": (3, 5),
    "ナニヌネノ": (3,),
    "ハヒフヘホ": (3, 6),
    "マミムメモ": (3, 5, 6),
    "ラリルレロ": (5,),
}
_OTHERS = {
    "ヤ": cell(3, 4),
    "ユ": cell(3, 4, 6),
    "ヨ": cell(3, 4, 5),
    "ワ": cell(3),
    "ヰ": cell(2, 3),
    "ヱ": cell(2, 3, 5),
    "ヲ": cell(3, 5),
    "ン": cell(3, 5, 6),
    "ッ": cell(2),
    "ー": cell(2, 5),
}
_SPECIAL: Mapping[str, str] = {
    cell(4): "イェ=エ キェ=ケ シェ=セ チェ=テ ニェ=ネ ヒェ=ヘ スィ=シ ティ=チ",
    cell(4, 5): "ジェ=セ ヂェ=テ ズィ=シ ディ=チ",
    cell(2, 6): "ウィ=イ ウェ=エ ウォ=オ クァ=カ クヮ=カ クィ=キ クェ=ケ クォ=コ ツァ=タ ツィ=チ ツェ=テ ツォ=ト "
    "トゥ=ツ ファ=ハ フィ=ヒ フェ=ヘ フォ=ホ",
    cell(2, 5, 6): "グァ=カ グヮ=カ グィ=キ グェ=ケ グォ=コ ドゥ=ツ ヴァ=ハ ヴィ=ヒ ヴェ=ヘ ヴォ=ホ",
    cell(4, 6): "テュ=ツ フュ=ユ フョ=ヨ",
    cell(4, 5, 6): "デュ=ツ ヴュ=ユ ヴョ=ヨ",
}
"""特殊音: the prefix, and the kana whose cell follows it."""

_CONTRACTED: Mapping[str, str] = {
    cell(4): "キ=カクコ シ=サスソ チ=タツト ニ=ナヌノ ヒ=ハフホ ミ=マムモ リ=ラルロ",
    cell(4, 5): "ギ=カクコ ジ=サスソ ヂ=タツト ビ=ハフホ",
    cell(4, 6): "ピ=ハフホ",
}
"""拗音, 拗濁音, 拗半濁音: the prefix, and the kana whose cells follow it for ャ, ュ and ョ."""

_VOICED_ROWS = {
    "カキクケコ": "ガギグゲゴ",
    "サシスセソ": "ザジズゼゾ",
    "タチツテト": "ダヂヅデド",
    "ハヒフヘホ": "バビブベボ",
}
_HALF_VOICED_ROW = "パピプペポ"


def _kana() -> dict[str, str]:
    made = {
        kana: cell(*vowel, *more)
        for row, more in _ROW_DOTS.items()
        for kana, vowel in zip(row, _VOWEL_DOTS, strict=True)
    }
    made |= _OTHERS
    for plain, voiced in _VOICED_ROWS.items():
        made |= {kana: VOICED + made[base] for kana, base in zip(voiced, plain, strict=True)}
    made |= {kana: HALF_VOICED + made[base] for kana, base in zip(_HALF_VOICED_ROW, "ハヒフヘホ", strict=True)}
    made["ヴ"] = VOICED + made["ウ"]
    for prefix, entries in _CONTRACTED.items():
        for first, likes in (entry.split("=") for entry in entries.split()):
            made |= {first + small: prefix + made[like] for small, like in zip("ャュョ", likes, strict=True)}
    for prefix, sounds in _SPECIAL.items():
        made |= {sound: prefix + made[like] for sound, like in (entry.split("=") for entry in sounds.split())}
    return made


KANA: Mapping[str, str] = _kana()
"""Every kana and every sound of two kana that braille has, with its cells."""

DIGITS: Mapping[str, str] = {
    digit: cell(*dots)
    for digit, dots in zip(
        "1234567890",
        ((1,), (1, 2), (1, 4), (1, 4, 5), (1, 5), (1, 2, 4), (1, 2, 4, 5), (1, 2, 5), (2, 4), (2, 4, 5)),
        strict=True,
    )
}


def _letters() -> dict[str, str]:
    first = dict(zip("abcdefghij", map(dots_of, DIGITS.values()), strict=True))
    made = {letter: cell(*dots) for letter, dots in first.items()}
    made |= {letter: cell(*first[like], 3) for letter, like in zip("klmnopqrst", "abcdefghij", strict=True)}
    made |= {letter: cell(*first[like], 3, 6) for letter, like in zip("uvxyz", "abcde", strict=True)}
    return made | {"w": cell(2, 4, 5, 6)}


LETTERS: Mapping[str, str] = _letters()


def vowel(sound: str) -> str | None:
    """Return the vowel that a sound ends in, one of アイウエオ; None for ン, ッ, ー and what is no kana."""
    last = sound[-1]
    small = dict(zip("ァィゥェォャュョヮ", "アイウエオアウオア", strict=True))
    whole = dict(zip("ヤユヨワヰヱヲヴ", "アウオアイエオウ", strict=True))
    if last in small or last in whole:
        return small.get(last) or whole[last]
    rows = [*_ROW_DOTS, *_VOICED_ROWS.values(), _HALF_VOICED_ROW]
    return next((VOWELS[row.index(last)] for row in rows if last in row), None)
