"""A resident's record: what one card is issued from, read from a mapping or a JSON file and checked as a whole
(`csvrecords` reads tables).

Every fault is collected before anything is refused; each names the record, the field and the reason. No
message contains a value, since columns get shifted and a resident code then stands where a name should be.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.records.codes import (
    CheckDigit,
    ResidentCode,
    municipality_check_digit,
    parse_municipality_code,
    resident_check_digit,
)
from jukicard.issuer.records.eras import parse_date

MAX_FILE_BYTES = 65536
MAX_NAME = 80
MAX_KANA = 120
MAX_ADDRESS = 150
MAX_NATIONALITY = 40
MAX_PHOTO_PATH = 255

T = TypeVar("T")


class Sex(StrEnum):
    """As registered."""

    MALE = "male"
    FEMALE = "female"


class Face(StrEnum):
    """The card's face version: A without, B with birth date, sex, address and photo."""

    A = "A"
    B = "B"


@dataclass(frozen=True, slots=True)
class FieldName:
    """One field of a record: its English name, its Japanese header, and whether every record needs it."""

    name: str
    header: str
    required: bool


FIELDS = (
    FieldName("resident_code", "住民票コード", required=True),
    FieldName("name", "氏名", required=True),
    FieldName("kana", "フリガナ", required=True),
    FieldName("birth_date", "生年月日", required=True),
    FieldName("sex", "性別", required=True),
    FieldName("address", "住所", required=True),
    FieldName("city_code", "市町村コード", required=True),
    FieldName("photo", "写真", required=False),
    FieldName("face", "券面", required=False),
    FieldName("braille", "点字", required=False),
    FieldName("braille_reading", "点字読み", required=False),
    FieldName("nationality", "国籍", required=False),
    FieldName("stay_until", "在留期限", required=False),
)
"""The one table of names, for JSON and CSV alike."""

FIELD_BY_NAME: Mapping[str, FieldName] = {key: f for f in FIELDS for key in (f.name, f.header)}

_SEXES = {"male": Sex.MALE, "男": Sex.MALE, "female": Sex.FEMALE, "女": Sex.FEMALE}
_JAPANESE = frozenset({"jp", "jpn", "japan", "日本"})
# Katakana and hiragana with their marks, half-width katakana, spaces. The middle dot lies in the katakana
# block.
_KANA = re.compile(r"[\u3041-\u309f\u30a0-\u30ff\uff66-\uff9f \u3000]+")
# Control, format (bidirectional overrides among them), lone surrogates, line and paragraph separators.
# Unassigned code points pass: a kanji that is newer than this Python's tables is one. So do variation
# selectors, which are marks (Mn).
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What records are checked against.

    `today` is the issue date. `city_code` (five digits), if given, is the only city accepted. `face` and
    `photo` win over the record's own; `photo` is relative to the current directory. The check-digit
    functions can be replaced. `glyph_images` are the private-use characters (外字) that have a glyph image.
    """

    today: date
    city_code: str | None = None
    face: Face | None = None
    photo: Path | None = None
    resident_check_digit: CheckDigit = resident_check_digit
    municipality_check_digit: CheckDigit = municipality_check_digit
    glyph_images: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResidentRecord:
    """A checked record. Its representation shows nothing personal.

    `label` names the record in messages, `city_code` has five digits, strings are as given (no
    normalisation: variation selectors matter) without surrounding blanks. `photo` is an existing file, and
    None unless the face is B. `braille_reading` is what a person has confirmed beforehand for the braille, and None
    unless that is wanted. `stay_until` is the last day of a foreign resident's stay.
    """

    label: str
    resident_code: ResidentCode = field(repr=False)
    name: str = field(repr=False)
    kana: str = field(repr=False)
    birth_date: date = field(repr=False)
    sex: Sex = field(repr=False)
    address: str = field(repr=False)
    city_code: str
    face: Face
    photo: Path | None = field(default=None, repr=False)
    braille: bool = field(default=False, repr=False)
    braille_reading: str | None = field(default=None, repr=False)
    nationality: str | None = field(default=None, repr=False)
    stay_until: date | None = field(default=None, repr=False)

    @property
    def is_foreign(self) -> bool:
        """Whether a nationality other than Japanese is recorded (birth dates are then printed Gregorian)."""
        return self.nationality is not None and not _is_japanese(self.nationality)

    @property
    def person(self) -> str:
        """Whose record it is, for comparison: name, birth date and sex, without what only writing them differs in.

        Width, blanks, case and variation selectors do not make another person; another kanji does.
        """
        return f"{comparable(self.name)}|{self.birth_date.isoformat()}|{self.sex}"

    def as_mapping(self) -> dict[str, str]:
        """The record's values by field name (English), as `from_mapping` reads them again; without the photo."""
        values = {f.name: getattr(self, f.name) for f in FIELDS if f.name != "photo"}
        return {name: _written(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[str, object], rules: RecordRules, *, label: str, folder: Path
    ) -> ResidentRecord:
        """Check a mapping of field names (English or Japanese) to strings; `folder` is where photo paths
        start.

        None and blank strings are absent values; `braille` may be a bool. Raises RecordError with all faults.
        """
        reader = _Reader(label, mapping, rules.glyph_images)
        record = _read(reader, rules, folder)
        if record is None or reader.problems:
            raise RecordError(reader.problems)
        return record


def comparable(text: str) -> str:
    """Return a name or an address without what only writing it differs in: width, blanks, case, variation selectors."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in plain if not (char.isspace() or _is_selector(char)))


def _written(value: object) -> str:
    if isinstance(value, ResidentCode):
        return value.reveal()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)


def load_json(path: Path, rules: RecordRules) -> ResidentRecord:
    """Read one record from a UTF-8 JSON file holding one object. Raises RecordError."""
    label = path.name
    raw = read_limited(path, MAX_FILE_BYTES)
    try:
        mapping = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_distinct)
    except UnicodeDecodeError:
        raise file_error(label, "is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise file_error(label, f"is not JSON: {error.msg} at line {error.lineno}") from None
    except _DuplicateNameError as error:
        raise RecordError([Problem(label, safe_field_name(str(error)), "is given twice")]) from None
    except (ValueError, RecursionError):
        raise file_error(label, "is not a JSON object of plain values") from None
    if not isinstance(mapping, dict):
        raise file_error(label, "is not a JSON object")
    return ResidentRecord.from_mapping(mapping, rules, label=label, folder=path.parent)


def read_limited(path: Path, maximum: int) -> bytes:
    """The bytes of a file of at most that size. Raises RecordError."""
    try:
        with path.open("rb") as file:
            raw = file.read(maximum + 1)
    except OSError as error:
        raise file_error(path.name, f"cannot be read: {error.strerror}") from error
    except ValueError:  # a NUL in the path
        raise file_error(safe_field_name(path.name), "is no file's name") from None
    if len(raw) > maximum:
        raise file_error(path.name, f"is larger than {maximum} bytes")
    return raw


def file_error(label: str, reason: str) -> RecordError:
    """What is wrong with a file as a whole."""
    return RecordError([Problem(label, "(file)", reason)])


def safe_field_name(name: str) -> str:
    """A field name as it may be repeated: short, printable, and with # for digits.

    A table without its header line has its first resident's data where the names should be.
    """
    shown = re.sub(r"\d", "#", name[:40])
    return "".join(char if char.isprintable() else "?" for char in shown) or "(empty name)"


class _DuplicateNameError(ValueError):
    pass


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, value in pairs:
        if name in result:
            raise _DuplicateNameError(name)
        result[name] = value
    return result


class _Reader:
    """The values of one record by field name, and the faults found so far."""

    def __init__(self, label: str, mapping: Mapping[str, object], glyph_images: frozenset[str]) -> None:
        self.label = label
        self._glyph_images = glyph_images
        self.problems: list[Problem] = []
        self._values: dict[str, str] = {}
        for key, value in mapping.items():
            self._add(str(key).strip(), value)

    def refuse(self, name: str, reason: str) -> None:
        self.problems.append(Problem(self.label, name, reason))

    def _add(self, key: str, value: object) -> None:
        known = FIELD_BY_NAME.get(key)
        if known is None:
            self.refuse(safe_field_name(key), "is not a field of a record")
        elif known.name in self._values:
            self.refuse(known.name, f"is given twice (its other name is {known.header})")
        elif known.name == "braille" and isinstance(value, bool):
            self._values[known.name] = "yes" if value else "no"
        elif value is None:
            self._values[known.name] = ""
        elif isinstance(value, str):
            self._values[known.name] = value.strip()
        else:
            self.refuse(known.name, "must be a string")
            self._values[known.name] = ""

    def take(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The parsed value; None if absent or refused, which is then recorded."""
        text = self._values.get(name, "")
        if not text:
            if FIELD_BY_NAME[name].required and not any(p.field == name for p in self.problems):
                self.refuse(name, "is missing")
            return None
        try:
            check_characters(text, self._glyph_images)
            return parse(text)
        except ValueError as error:
            self.refuse(name, str(error))
            return None

    def has(self, name: str) -> bool:
        return bool(self._values.get(name))


def _read(reader: _Reader, rules: RecordRules, folder: Path) -> ResidentRecord | None:
    code = reader.take("resident_code", lambda t: ResidentCode.parse(t, rules.resident_check_digit))
    name = reader.take("name", _bounded(MAX_NAME))
    kana = reader.take("kana", _kana)
    born = reader.take("birth_date", lambda t: _birth_date(t, rules.today))
    sex = reader.take("sex", _sex)
    address = reader.take("address", _bounded(MAX_ADDRESS))
    city = reader.take("city_code", lambda t: _city(t, rules))
    own_face = reader.take("face", _face)
    face = rules.face or own_face
    if face is None and not reader.has("face"):
        reader.refuse("face", "is missing (A or B)")
    braille = reader.take("braille", _yes_or_no)
    reading = reader.take("braille_reading", _bounded(MAX_KANA))
    nationality = reader.take("nationality", _bounded(MAX_NATIONALITY))
    stay_until = reader.take("stay_until", lambda t: _stay(t, rules.today, nationality))
    photo = _photo(reader, rules, folder) if face is Face.B else None
    if code is None or name is None or kana is None or born is None or sex is None:
        return None
    if address is None or city is None or face is None:
        return None
    return ResidentRecord(
        label=reader.label,
        resident_code=code,
        name=name,
        kana=kana,
        birth_date=born,
        sex=sex,
        address=address,
        city_code=city,
        face=face,
        photo=photo,
        braille=bool(braille),
        braille_reading=reading if braille else None,
        nationality=nationality,
        stay_until=stay_until,
    )


def check_characters(text: str, glyph_images: frozenset[str] = frozenset()) -> None:
    """Raise ValueError for a control, formatting or private-use character, or a lone surrogate.

    Variation selectors pass, and the private-use characters that have a glyph image.
    """
    for char in text:
        category = unicodedata.category(char)
        if category == "Co" and char not in glyph_images:
            raise ValueError(f"contains U+{ord(char):04X}, a private-use character (外字) that has no glyph image here")
        if category in _FORBIDDEN_CATEGORIES:
            raise ValueError(f"contains U+{ord(char):04X}, a control or formatting character")


def _bounded(maximum: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if len(text) > maximum:
            raise ValueError(f"is longer than {maximum} characters")
        return text

    return parse


def _kana(text: str) -> str:
    if not _KANA.fullmatch(text):
        raise ValueError("must be written in kana")
    return _bounded(MAX_KANA)(text)


def _birth_date(text: str, today: date) -> date:
    born = parse_date(text)
    if born > today:
        raise ValueError("lies in the future")
    return born


def _sex(text: str) -> Sex:
    return _one_of(text, _SEXES, "must be male, female, 男 or 女")


def _face(text: str) -> Face:
    return _one_of(text, {"a": Face.A, "b": Face.B}, "must be A or B")


def _yes_or_no(text: str) -> bool:
    return _one_of(text, {"yes": True, "no": False}, "must be yes or no")


def _one_of(text: str, values: Mapping[str, T], reason: str) -> T:
    key = unicodedata.normalize("NFKC", text).lower()
    if key not in values:
        raise ValueError(reason)
    return values[key]


def _city(text: str, rules: RecordRules) -> str:
    city = parse_municipality_code(text, rules.municipality_check_digit)
    if rules.city_code is not None and city != rules.city_code:
        raise ValueError(f"is not this authority's city, {rules.city_code}")
    return city


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _is_japanese(nationality: str) -> bool:
    return unicodedata.normalize("NFKC", nationality).lower() in _JAPANESE


def _stay(text: str, today: date, nationality: str | None) -> date:
    stay_until = parse_date(text)
    if nationality is None or _is_japanese(nationality):
        raise ValueError("is for foreign residents, and the nationality does not say so")
    if stay_until < today:
        raise ValueError("has passed")
    return stay_until


def _photo(reader: _Reader, rules: RecordRules, folder: Path) -> Path | None:
    given = reader.take("photo", _bounded(MAX_PHOTO_PATH))
    if rules.photo is None and given is None:
        if not reader.has("photo"):
            reader.refuse("photo", "is missing, and face B needs it")
        return None
    path = rules.photo or folder / (given or "")
    try:
        found = path.is_file()
    except OSError:
        found = False
    if not found:
        reader.refuse("photo", "no such file" if rules.photo else "no such file beside the record")
        return None
    return path
