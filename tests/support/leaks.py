"""Finding secrets where they do not belong: what is secret, in which forms it may appear, and where to look."""

from __future__ import annotations

import base64
import gc
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jukicard.iso7816.tlv import parse_tlvs
from jukicard.issuer.keys.filekeystore import FileKeyStore
from jukicard.securechannel.scp03 import TRANSPORT_KEYS, SessionKeys

_PRINTED = rb"[0-9A-Za-z+/]"
SHORTEST_KEY = 16


def bcd(digits: str) -> list[bytes]:
    """Digits packed two to a byte: padded with F, padded with 0, after a leading 0."""
    padded = [digits + "F", digits + "0", "0" + digits] if len(digits) % 2 else [digits]
    return [bytes.fromhex(text) for text in padded]


def _hex_forms(data: bytes) -> Iterator[bytes]:
    for text in (data.hex(), data.hex(" "), data.hex(":"), data.hex(","), "\\x" + "\\x".join(f"{b:02x}" for b in data)):
        yield text.encode()
        yield text.upper().encode()


def _base64_forms(data: bytes) -> Iterator[bytes]:
    """What of a base64 text is fixed by the data alone, wherever the data begin in it."""
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(bytes(before) + data)
            yield whole[(0, 2, 3)[before] : len(whole) // 4 * 4 - 4]


@dataclass(frozen=True)
class Secret:
    """Something that nobody may see; `name` says what, `pattern` finds any of its forms."""

    name: str
    pattern: re.Pattern[bytes] = field(repr=False)

    @classmethod
    def key(cls, name: str, value: bytes) -> Secret:
        """A key of 16 bytes or more: raw, in hex, in base64, as a number; its first half alone would be a leak, too."""
        assert len(value) >= SHORTEST_KEY
        half = value[: len(value) // 2]
        numbers = (str(int.from_bytes(value)).encode(), ", ".join(map(str, half)).encode())
        forms = {half, *_hex_forms(half), *_base64_forms(value), *numbers, repr(half).encode()[2:-1]}
        return cls(name, re.compile(b"|".join(map(re.escape, sorted(forms)))))

    @classmethod
    def text(cls, name: str, value: str) -> Secret:
        """A password or code. Four digits stand in a long word of hex or base64 by chance: that is no leak."""
        plain = value.encode()
        alone = rb"(?<!%b)%b{0,3}%b%b{0,3}(?!%b)" % (_PRINTED, _PRINTED, re.escape(plain), _PRINTED, _PRINTED)
        forms = {*_hex_forms(plain), base64.b64encode(plain).rstrip(b"=")}
        if len(value) > 8:
            forms |= {plain, plain[::-1], *_base64_forms(plain)}
        if value.isdigit() and len(value) > 8:
            for packed in bcd(value):
                forms |= {packed, *_hex_forms(packed)}
        elif value.isdigit():  # two bytes of BCD stand anywhere by chance; a PIN block (ISO 9564, format 2) does not
            block = bytes((0x20 | len(value),)) + bcd(value)[0] + b"\xff" * 2
            forms |= {block, *_hex_forms(block)}
        return cls(name, re.compile(b"|".join([alone, *map(re.escape, sorted(forms))])))

    def is_in(self, evidence: bytes) -> bool:
        return self.pattern.search(evidence) is not None


def chip_secrets(cells: Mapping[str, bytes]) -> list[Secret]:
    """All keys in a chip's cells: key sets, private keys (the public transport keys are no secret)."""
    public = {TRANSPORT_KEYS.enc, TRANSPORT_KEYS.mac, TRANSPORT_KEYS.dek}
    secrets = []
    for cell, content in cells.items():
        _area, *path = cell.removeprefix("a/").split("/")
        if path[:1] == ["key"]:
            (stored,) = parse_tlvs(content)
            values = [part.value for part in stored.children] if stored.tag == 0xE1 else [stored.value]
            kind_is_public = stored.tag == 0xB0
        elif path[:1] == ["k"] and path[-1] == "v":
            values, kind_is_public = [content[-32:]], False
        else:
            continue
        if not kind_is_public:
            secrets += [Secret.key(f"chip {cell} {n}", v) for n, v in enumerate(values) if v not in public]
    return secrets


def authority_secrets(home: Path, password: str) -> list[Secret]:
    """Every key in an authority's key stores, the national root's included, and its password."""
    secrets = [Secret.text("authority password", password)]
    for file in sorted(home.rglob("keys.json")):
        store = FileKeyStore.open(file, password)
        secrets += [Secret.key(f"{file.parent.name} {label}", key.secret) for label, key in store._keys.items()]
    return secrets


@contextmanager
def session_secrets() -> Iterator[set[bytes]]:
    """The keys of every secure channel session that is opened meanwhile, by either side."""
    make = SessionKeys.__init__
    public = {TRANSPORT_KEYS.enc, TRANSPORT_KEYS.mac, TRANSPORT_KEYS.dek}
    found: set[bytes] = set()

    def made(self: SessionKeys, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        found.update({value for value in (self.enc, self.mac, self.rmac, self.dek) if value} - public)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SessionKeys, "__init__", made)
        yield found


def representations() -> Iterator[bytes]:
    """`repr` and `str` of every object of ours that is in this process's memory."""
    for found in gc.get_objects():
        if not isinstance(found, type) and str(type(found).__module__).startswith("jukicard."):
            yield repr(found).encode(errors="backslashreplace")
            yield str(found).encode(errors="backslashreplace")


def files_below(*folders: Path) -> dict[str, bytes]:
    """The content of every file, and its name."""
    return {
        str(path): str(path).encode() + b"\n" + path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass
class Evidence:
    """What was found in each kind of place; `folder` is where the story took place, whose name says nothing."""

    folder: Path | None = None
    places: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, place: str, *found: bytes | str) -> None:
        hidden = str(self.folder).encode() if self.folder else None
        for one in found:
            text = one.encode(errors="backslashreplace") if isinstance(one, str) else one
            self.places.setdefault(place, []).append(text.replace(hidden, b"...") if hidden else text)

    def leaks(self, secrets: Iterable[Secret]) -> set[tuple[str, str]]:
        """Place and name of every secret that stands where it must not."""
        return {
            (place, secret.name)
            for place, found in self.places.items()
            for whole in [b"\n\n".join(found)]
            for secret in secrets
            if secret.is_in(whole)
        }
