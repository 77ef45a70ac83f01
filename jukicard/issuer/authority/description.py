"""What a home says of itself, in `authority.json`: whose it is, where its keys are, how far it has rotated them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jukicard.issuer.authority.generations import Generations
from jukicard.issuer.errors import HomeDamaged, IssuerError, RuleRefused
from jukicard.issuer.files import read_file, write_atomically
from jukicard.issuer.keys.places import KeyPlace, read_place
from jukicard.issuer.records.codes import parse_municipality_code
from jukicard.issuer.records.resident import check_characters

DESCRIPTION_FILE = "authority.json"
MAX_NAME = 30
MAX_CONTACT = 80

_FORMAT = "jukicard authority"
_VERSION = 1


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


@dataclass(frozen=True, slots=True)
class Description:
    """What `authority.json` says. `ledger` is the URL of the books' database, None for a file of the home."""

    city: City
    place: KeyPlace
    made: str
    ledger: str | None = None
    generations: Generations = field(default_factory=Generations)

    @classmethod
    def read(cls, home: Path) -> Description:
        """Raises HomeDamaged."""
        path = home / DESCRIPTION_FILE
        try:
            members = json.loads(read_file(path))
            if (members["format"], members["version"]) != (_FORMAT, _VERSION):
                raise HomeDamaged(f"{path} describes an authority of another version")
            city = City(members["code"], members["name"], members["contact"])
            generations = Generations.read(members.get("generations", {}))
            return cls(city, read_place(members.get("keys")), members["made"], members.get("ledger"), generations)
        except (ValueError, KeyError, TypeError, AttributeError, IssuerError) as error:
            raise HomeDamaged(f"{path} describes no authority of this version") from error

    def write(self, home: Path) -> None:
        """Replace what it said."""
        members: dict[str, object] = {"format": _FORMAT, "version": _VERSION, **asdict(self.city), "made": self.made}
        if self.place.description is not None:
            members["keys"] = self.place.description
        if self.ledger is not None:
            members["ledger"] = self.ledger
        if self.generations.newest:
            members["generations"] = self.generations.newest
        text = json.dumps(members, indent=1, ensure_ascii=False)
        write_atomically(home / DESCRIPTION_FILE, text.encode() + b"\n")


def _check_text(what: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        raise RuleRefused(f"city {what}: must have {least} to {most} characters")
    try:
        check_characters(text)
    except ValueError as error:
        raise RuleRefused(f"city {what}: {error}") from None
