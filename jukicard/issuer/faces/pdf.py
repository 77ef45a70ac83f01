"""Writing PDF (ISO 32000-1, 7): objects, streams and the file around them, the same bytes for the same content.

A value is None, a bool, an int, a float, bytes (a string), a `Name`, a `Ref`, a list, a dict from keys (without their
slash) to values, or a `Stream`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
"""Version 1.7, and four bytes that tell a binary file (7.5.2)."""


class Name(str):
    """A name object, without its slash."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ref:
    """An indirect reference: the object's number."""

    number: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream: `data` as it stands in the file, and the entries of its dictionary but for Length."""

    data: bytes = field(repr=False)
    entries: Mapping[str, Value]


Value: TypeAlias = "bool | int | float | bytes | Name | Ref | Sequence[Value] | Mapping[str, Value] | Stream | None"


def deflated(content: bytes, **entries: Value) -> Stream:
    """Return a stream with the Flate filter."""
    return Stream(zlib.compress(content), {**entries, "Filter": Name("FlateDecode")})


def number(value: float) -> str:
    """Return a number as PDF writes it: seven digits that count, of which six after the point at most."""
    size = abs(value)
    places = 6 if size < 10 else 5 if size < 100 else 4
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Document:
    """A file being made.  `add` objects, then `file` once.  Equal objects are kept once."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._known: dict[bytes, Ref] = {}

    def add(self, value: Value) -> Ref:
        """Add an indirect object, or find one that is the same."""
        body = _serialised(value)
        if body not in self._known:
            self._bodies.append(body)
            self._known[body] = Ref(len(self._bodies))
        return self._known[body]

    def reserve(self) -> Ref:
        """Return the number of an object that is `put` later, and is no other's."""
        self._bodies.append(b"")
        return Ref(len(self._bodies))

    def put(self, ref: Ref, value: Value) -> None:
        """Give a reserved object its value."""
        self._bodies[ref.number - 1] = _serialised(value)

    def file(self, catalogue: Ref, info: Ref) -> bytes:
        """Return the file, with a classic cross-reference table (7.5.4)."""
        parts, offsets, position = [HEADER], [], len(HEADER)
        for index, body in enumerate(self._bodies, 1):
            whole = b"%d 0 obj\n%b\nendobj\n" % (index, body)
            offsets.append(position)
            position += len(whole)
            parts.append(whole)
        count = len(offsets) + 1
        table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        trailer = _serialised({"Size": count, "Root": catalogue, "Info": info})
        parts.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table))
        parts.append(b"trailer\n%b\nstartxref\n%d\n%%%%EOF\n" % (trailer, position))
        return b"".join(parts)


def _serialised(value: Value) -> bytes:
    if isinstance(value, Stream):
        head = _text({**value.entries, "Length": len(value.data)}).encode("ascii")
        return b"%b\nstream\n%b\nendstream" % (head, value.data)
    return _text(value).encode("ascii")


def _text(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return number(value)
        case Name():
            return f"/{value}"
        case bytes():
            return f"<{value.hex().upper()}>"
        case Ref():
            return f"{value.number} 0 R"
        case Mapping():
            return "<<" + " ".join(f"/{key} {_text(entry)}" for key, entry in value.items()) + ">>"
        case Sequence():
            return "[" + " ".join(map(_text, value)) + "]"
    raise TypeError(f"no PDF object: {type(value).__name__}")
