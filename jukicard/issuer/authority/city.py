"""Whose authority it is, and what a home says of itself (`authority.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jukicard.issuer.errors import HomeDamaged, IssuerError, RuleRefused
from jukicard.issuer.files import read_file
from jukicard.issuer.records.codes import parse_municipality_code
from jukicard.issuer.records.resident import check_characters

MAX_NAME = 30
MAX_CONTACT = 80
FORMAT: Mapping[str, object] = {"format": "jukicard authority", "version": 1}


@dataclass(frozen=True, slots=True)
class City:
    """Whose authority this is. `code` has five digits; `contact` is what a card's face prints, and may be empty."""

    code: str
    name: str
    contact: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot stand on a certificate or a face (RuleRefused)."""
        try:
            code = parse_municipality_code(self.code)
        except ValueError as error:
            raise RuleRefused(f"city code: {error}") from None
        object.__setattr__(self, "code", code)
        _check_text("name", self.name, 1, MAX_NAME)
        _check_text("contact", self.contact, 0, MAX_CONTACT)


def _check_text(what: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        raise RuleRefused(f"city {what}: must have {least} to {most} characters")
    try:
        check_characters(text)
    except ValueError as error:
        raise RuleRefused(f"city {what}: {error}") from None


def read_description(home: Path) -> dict[str, str]:
    """Return what a home says of itself, its format checked. HomeDamaged."""
    path = home / "authority.json"
    try:
        members = json.loads(read_file(path))
        known = {name: members[name] for name in FORMAT} == FORMAT
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise HomeDamaged(f"{path} describes no authority of this version")
    return dict(members)


def read_city(home: Path) -> City:
    """Return whose authority a home is. HomeDamaged."""
    members = read_description(home)
    try:
        return City(members["code"], members["name"], members["contact"])
    except (ValueError, KeyError, TypeError, AttributeError, IssuerError) as error:
        raise HomeDamaged(f"{home / 'authority.json'} describes no authority of this version") from error
