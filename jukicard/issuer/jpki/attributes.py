"""The resident's four items (氏名, 性別, 生年月日, 住所) as a signature certificate carries them.

They stand in subjectAltName as six otherName values, UTF8String, under 1.2.392.200149.8.5.5: `.1` name, `.4` birth
date, `.3` sex, `.5` address, `.2` and `.6` which characters of name and address are substitutes. Characters beyond
JIS X 0208 and the supplementary kanji of JIS X 0212 are substituted: by their base form where a variation selector asks
for another shape, by the usual form of a few frequent variants, else by `●`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from asn1crypto import core  # type: ignore[import-untyped]
from cryptography import x509

from jukicard.issuer.errors import CertificateProfileError
from jukicard.issuer.records.eras import ERAS, GREGORIAN_SINCE, era_of
from jukicard.issuer.records.resident import ResidentRecord, Sex

ARC: Final = "1.2.392.200149.8.5.5"
NO_SUBSTITUTE: Final = "●"
"""What stands for a character that has no other form."""

_NAME, _NAME_FLAGS, _SEX, _BIRTH, _ADDRESS, _ADDRESS_FLAGS = (f"{ARC}.{number}" for number in range(1, 7))
_ORDER = (_NAME, _BIRTH, _SEX, _ADDRESS, _NAME_FLAGS, _ADDRESS_FLAGS)
"""As real certificates have them."""
_SEXES = {Sex.MALE: "1", Sex.FEMALE: "2"}
_SEX_FORM = re.compile(r"[1-3]")
_BIRTH_FORM = re.compile(r"[0-5][0-9]{8}")
_FLAGS_FORM = re.compile(r"[01]*")
_USUAL_FORMS = {"髙": "高", "﨑": "崎", "𠮷": "吉", "栁": "柳", "德": "徳"}


@dataclass(frozen=True, slots=True)
class ResidentAttributes:
    """The four items; made otherwise than in these forms: CertificateProfileError.

    `name` and `address` in the certificate's characters; `name_substituted` and `address_substituted` have one digit
    for each of them, `1` for a substitute; `sex` is `1` male, `2` female, `3` not known; `birth` is the era's number (1
    明治 to 5 令和, 0 not known), then YYYYMMDD in the Gregorian calendar.
    """

    name: str = field(repr=False)
    name_substituted: str = field(repr=False)
    sex: str = field(repr=False)
    birth: str = field(repr=False)
    address: str = field(repr=False)
    address_substituted: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what has another form."""
        texts = ((self.name, self.name_substituted), (self.address, self.address_substituted))
        if not all(_FLAGS_FORM.fullmatch(flags) and len(flags) == len(text) > 0 for text, flags in texts):
            raise CertificateProfileError("a name and an address have one flag, 0 or 1, for each character")
        if not _SEX_FORM.fullmatch(self.sex) or not _BIRTH_FORM.fullmatch(self.birth):
            raise CertificateProfileError("sex is a digit, 1 to 3; a birth date an era's digit and YYYYMMDD")

    @classmethod
    def from_record(cls, record: ResidentRecord) -> ResidentAttributes:
        """The items of a resident's record; a foreign resident's birth date has the era of its day as well."""
        name, name_substituted = substitute(record.name)
        address, address_substituted = substitute(record.address)
        return cls(
            name, name_substituted, _SEXES[record.sex], encode_birth(record.birth_date), address, address_substituted
        )

    @property
    def birth_date(self) -> date | None:
        """The day of birth; None where the digits are no day."""
        try:
            return date(int(self.birth[1:5]), int(self.birth[5:7]), int(self.birth[7:]))
        except ValueError:
            return None

    def encode(self) -> bytes:
        """The value of subjectAltName, DER."""
        items = {
            _NAME: self.name,
            _NAME_FLAGS: self.name_substituted,
            _SEX: self.sex,
            _BIRTH: self.birth,
            _ADDRESS: self.address,
            _ADDRESS_FLAGS: self.address_substituted,
        }
        names = [x509.OtherName(x509.ObjectIdentifier(oid), core.UTF8String(items[oid]).dump()) for oid in _ORDER]
        return x509.SubjectAlternativeName(names).public_bytes()

    @classmethod
    def read(cls, certificate: bytes) -> ResidentAttributes:
        """Read the items of a certificate (DER). CertificateProfileError unless it has each of the six once."""
        found: dict[str, list[str]] = {}
        try:
            extensions = x509.load_der_x509_certificate(certificate).extensions
            names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            for name in names.get_values_for_type(x509.OtherName):
                if name.type_id.dotted_string in _ORDER:
                    text = core.UTF8String.load(name.value, strict=True).native
                    found.setdefault(name.type_id.dotted_string, []).append(text)
        except (ValueError, x509.ExtensionNotFound) as error:
            raise CertificateProfileError("the certificate's subjectAltName is not there, or cannot be read") from error
        if any(len(found.get(oid, ())) != 1 for oid in _ORDER):
            raise CertificateProfileError("the certificate lacks one of the four items, or has it twice")
        return cls(*(found[oid][0] for oid in (_NAME, _NAME_FLAGS, _SEX, _BIRTH, _ADDRESS, _ADDRESS_FLAGS)))


def encode_birth(day: date) -> str:
    """Era digit and YYYYMMDD; the digit is 0 before 1873, when the calendar was another one."""
    number = 0 if day < GREGORIAN_SINCE else ERAS.index(era_of(day)) + 1
    return f"{number}{day:%Y%m%d}"


def substitute(text: str) -> tuple[str, str]:
    """Return a text in the certificate's characters, and a flag, 0 or 1, for each of them."""
    written: list[str] = []
    flags: list[str] = []
    for char in text:
        if _is_selector(char):  # the character before it is meant in another shape than its own
            flags[-1:] = ["1"] * bool(flags)
        elif _is_in_jis(char):
            written.append(char)
            flags.append("0")
        else:
            written.append(_USUAL_FORMS.get(char, NO_SUBSTITUTE))
            flags.append("1")
    return "".join(written), "".join(flags)


def _is_in_jis(char: str) -> bool:
    """Whether it is of ASCII, JIS X 0208 or JIS X 0212 (which EUC-JP codes), in half or full width."""
    if "\uff01" <= char <= "\uff5e":
        return True
    try:
        char.encode("euc_jp")
    except UnicodeEncodeError:
        return False
    return True


def _is_selector(char: str) -> bool:
    return unicodedata.category(char) == "Mn" and "VARIATION SELECTOR" in unicodedata.name(char, "")
