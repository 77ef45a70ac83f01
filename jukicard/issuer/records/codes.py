"""Resident codes (住民票コード), municipality codes (全国地方公共団体コード), and their check digits.

The formula of the resident code's check digit stands in an official notice (平成14年総務省告示第436号)
whose text is not freely at hand; the one used here is confirmed by published sample codes. Both check-digit
functions are therefore replaceable: whatever validates a code takes the function as a parameter.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

CheckDigit = Callable[[str], int]
"""From the digits before the check digit (ASCII) to the check digit, 0 to 9."""

_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5)
_MUNICIPALITY_WEIGHTS = (6, 5, 4, 3, 2)


def resident_check_digit(digits: str) -> int:
    """Check digit of a resident code's first ten digits.

    Modulus 11, weights 2 to 7 and 2 to 5 counted from the right; remainders 0 and 1 give 0, others 11 minus
    the remainder.
    """
    _require_digits(digits, len(_RESIDENT_WEIGHTS))
    remainder = sum(int(d) * w for d, w in zip(reversed(digits), _RESIDENT_WEIGHTS, strict=True)) % 11
    return 0 if remainder <= 1 else 11 - remainder


def municipality_check_digit(digits: str) -> int:
    """Check digit of a municipality code's first five digits: weights 6 to 2; (11 - sum mod 11) mod 10."""
    _require_digits(digits, len(_MUNICIPALITY_WEIGHTS))
    total = sum(int(d) * w for d, w in zip(digits, _MUNICIPALITY_WEIGHTS, strict=True))
    return (11 - total % 11) % 10


def _require_digits(digits: str, length: int) -> None:
    if not re.fullmatch(rf"[0-9]{{{length}}}", digits):
        raise ValueError(f"must be {length} digits")


@dataclass(frozen=True, slots=True, eq=False)
class ResidentCode:
    """A resident code, the one personal datum in the card's Juki area. Shows itself masked everywhere.

    Made by `parse`; `reveal()` is the only way to the digits. Comparison takes constant time.
    """

    _digits: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, check_digit: CheckDigit = resident_check_digit) -> ResidentCode:
        """Read eleven digits, of which the last is the check digit. Full-width digits are read as ASCII ones.

        Raises ValueError, which says what is wrong and never repeats the digits.
        """
        digits = unicodedata.normalize("NFKC", text)
        if not re.fullmatch(r"[0-9]{11}", digits):
            raise ValueError("must be 11 digits")
        if check_digit(digits[:10]) != int(digits[10]):
            raise ValueError("its check digit is wrong")
        return cls(digits)

    def reveal(self) -> str:
        """The eleven ASCII digits, for the card's own file and for whoever may see them."""
        return self._digits

    @property
    def masked(self) -> str:
        """What may be shown to anybody: eleven asterisks."""
        return "*" * len(self._digits)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"ResidentCode({self.masked})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ResidentCode):
            return NotImplemented
        return hmac.compare_digest(self._digits, other._digits)

    def __hash__(self) -> int:
        return hash(self._digits)


def new_resident_code(random: Callable[[int], bytes]) -> ResidentCode:
    """Draw a resident code, each of the ten thousand million with the same chance; `random` gives so many bytes."""
    several = 2**40 // 10**10 * 10**10
    while (drawn := int.from_bytes(random(5))) >= several:
        pass
    digits = f"{drawn % 10**10:010d}"
    return ResidentCode.parse(f"{digits}{resident_check_digit(digits)}")


def parse_municipality_code(text: str, check_digit: CheckDigit = municipality_check_digit) -> str:
    """Read a municipality code of five digits, or of six with its check digit, and return the five.

    Full-width digits are read as ASCII ones. Raises ValueError.
    """
    digits = unicodedata.normalize("NFKC", text)
    if not re.fullmatch(r"[0-9]{5,6}", digits):
        raise ValueError("must be 5 digits, or 6 with the check digit")
    if len(digits) == 6 and check_digit(digits[:5]) != int(digits[5]):
        raise ValueError("its check digit is wrong")
    return digits[:5]


def full_municipality_code(code: str, check_digit: CheckDigit = municipality_check_digit) -> str:
    """The six-digit form of a five-digit municipality code."""
    return f"{code}{check_digit(code)}"
