"""What a face prints, and nothing else: an A card's data hold nothing of face B."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from jukicard.issuer.authority.description import City
from jukicard.issuer.faces.braille import Braille
from jukicard.issuer.faces.region import Region
from jukicard.issuer.records.eras import era_of, format_era_date
from jukicard.issuer.records.resident import Face, ResidentRecord, Sex

TITLE = "住民基本台帳カード"
NO_BIRTH_DATE = "000000"
_SEX = {Sex.MALE: "男", Sex.FEMALE: "女"}


@dataclass(frozen=True, slots=True)
class FaceData:
    """The data of one face.  What only face B prints is None on an A card; `birth` and `sex` are as they are printed.

    `code` is what the two-dimensional code of the pattern of 2009 holds: on B the birth date as six digits (year of the
    era, month, day; foreigners: two digits of the Gregorian year).  What it held on A is not known; here it is
    `NO_BIRTH_DATE`.  `braille` is there once its reading is confirmed, `photo_crop` if somebody chose it by eye.
    """

    version: Face
    city_name: str
    contact: str
    expires: date
    name: str = field(repr=False)
    birth: str | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    photo: Path | None = field(default=None, repr=False)
    code: str = field(default=NO_BIRTH_DATE, repr=False)
    braille: Braille | None = field(default=None, repr=False)
    photo_crop: Region | None = None

    def fields(self) -> dict[str, str]:
        """Return the texts that a template can place, by the names that it calls them."""
        texts = {
            "title": TITLE,
            "city": self.city_name,
            "expiry": self.expiry,
            "name": self.name,
            "contact": self.contact,
            "birth": self.birth,
            "sex": self.sex,
            "address": self.address,
        }
        return {name: text for name, text in texts.items() if text}

    @property
    def expiry(self) -> str:
        """The expiry as it is printed: Gregorian, since eras may change."""
        return f"{self.expires.year}年{self.expires.month}月{self.expires.day}日まで有効"


def face_data(record: ResidentRecord, city: City, expires: date) -> FaceData:
    """Return what the face of this resident's card prints."""
    if record.face is Face.A:
        return FaceData(Face.A, city.name, city.contact, expires, record.name)
    born = record.birth_date
    gregorian = f"{born.year}年{born.month}月{born.day}日"
    return FaceData(
        Face.B,
        city.name,
        city.contact,
        expires,
        record.name,
        gregorian if record.is_foreign else format_era_date(born),
        _SEX[record.sex],
        record.address,
        record.photo,
        birth_digits(record),
    )


def birth_digits(record: ResidentRecord) -> str:
    """Return the birth date as six digits: year of the era, month, day; of foreigners two digits of the Gregorian year
    in place of the era's.
    """
    return short_date(record.birth_date, gregorian=record.is_foreign)


def short_date(day: date, *, gregorian: bool) -> str:
    """Return a date as six digits: year of the era, or the last two digits of the Gregorian one, month, day.

    ValueError for a day before the Gregorian calendar.
    """
    year = day.year % 100 if gregorian else day.year - era_of(day).first_day.year + 1
    return f"{year:02d}{day:%m%d}"
