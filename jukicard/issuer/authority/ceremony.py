"""The record of a key ceremony: what was made, where, and by which fingerprints it is known again.

Markdown, to be printed and signed by those who were there; it holds nothing secret. `ceremonies/` of a home (or of a
national root's directory) has one for its making and one for each rotation.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jukicard.issuer.files import PRIVATE_DIRECTORY, write_atomically
from jukicard.issuer.keys.keystore import KeyDescription, KeyStore

FOLDER = "ceremonies"
FOUNDING = "founding"
_PACKAGES = ("jukicard", "cryptography", "python-pkcs11")
_BLANK = "_" * 40

_EXPLANATION = """\
A fingerprint of an EC key is the SHA-256 over its public key (SubjectPublicKeyInfo). The check value of an AES key
is the first five bytes of its AES-CMAC over sixteen zero bytes, of an HMAC key those of its HMAC-SHA256 over
"key check value". A certificate's is the SHA-256 over its DER. None of them is secret.
"""


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a record is about. `name` begins its file's name; `certificates` are DER, by name."""

    name: str
    title: str
    day: date
    keys: tuple[KeyDescription, ...]
    place: Mapping[str, str]
    certificates: Mapping[str, bytes]

    @classmethod
    def of(
        cls,
        name: str,
        title: str,
        day: date,
        store: KeyStore,
        labels: Iterable[str],
        certificates: Mapping[str, bytes],
    ) -> Ceremony:
        """With what the key store tells of those keys."""
        return cls(name, title, day, tuple(map(store.describe, labels)), store.place(), certificates)

    def write(self, directory: Path) -> Path:
        """Write the record, in place of one that an interrupted ceremony of that name and day has left."""
        path = _record(directory, self.day, self.name)
        path.parent.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        write_atomically(path, self.text().encode())
        return path

    def text(self) -> str:
        """The record."""
        certificates = ((name, sha256(der).hexdigest()) for name, der in self.certificates.items())
        return "\n".join(
            (
                f"# Key ceremony: {self.title}\n",
                f"Day: {self.day.isoformat()}. Begun at: {'_' * 10}  Ended at: {'_' * 10}  Place: {_BLANK}\n",
                "## Where the keys are\n",
                *_table(("What", "Value"), self.place.items()),
                "## Keys\n",
                *_table(
                    ("Label", "Type and use", "Fingerprint or check value"),
                    ((key.label, key.kind.value, f"`{key.fingerprint}`") for key in self.keys),
                ),
                "## Certificates\n",
                *_table(("Certificate", "SHA-256"), ((name, f"`{digest}`") for name, digest in certificates)),
                _EXPLANATION,
                "## Software\n",
                *_table(("What", "Version"), _software()),
                "## Signatures\n",
                "Those present have compared the above with what the screens showed.\n",
                *_table(
                    ("Role", "Name", "Signature", "Date and time"),
                    (("Operator 1", *[" "] * 3), ("Operator 2", *[" "] * 3), ("Witness", *[" "] * 3)),
                ),
            )
        )


def founding_record(directory: Path, day: date) -> Path:
    """Where the record of the making of a home, or of a national root, is."""
    return _record(directory, day, FOUNDING)


def _record(directory: Path, day: date, name: str) -> Path:
    return directory / FOLDER / f"{day.isoformat()}-{name}.md"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield _row(heads)
    yield _row(("---",) * len(heads))
    yield from map(_row, rows)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _software() -> Iterable[tuple[str, str]]:
    yield "Python", platform.python_version()
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed as a package"
