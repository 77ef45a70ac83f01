"""Reading PDF as `pdf` writes it, strictly: what is not in that form is an error, and nothing is skipped over.

It is no reader of other programs' files: no cross-reference streams, no encryption, no updates, no filters but Flate.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property

from jukicard.issuer.faces.pdf import HEADER, Name, Ref, Stream, Value

MAX_BYTES = 30_000_000
"""Of a file, and of one stream's content."""

_TOKEN = re.compile(
    rb"\s*(?:(?P<ref>(\d+) 0 R)|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?![\w])|/(?P<name>[A-Za-z0-9.+_-]+)"
    rb"|<(?P<hex>[0-9A-Fa-f]*)>|(?P<mark><<|>>|\[|\])|(?P<word>[A-Za-z][A-Za-z0-9]*\*?))"
)
_MARK = re.compile(rb"\s*(>>|\])")
_NOTHING_MORE = re.compile(rb"\s*\Z")
_WORDS: Mapping[str, bool | None] = {"null": None, "true": True, "false": False}
_OBJECT = re.compile(rb"(\d+) 0 obj\n")
_ENTRY = re.compile(rb"(\d{10}) 00000 n \n")
_END = re.compile(rb"startxref\n(\d+)\n%%EOF\n\Z")


class PdfError(ValueError):
    """The file is not in the form in which faces are written."""


class _Operator(str):
    __slots__ = ()


class PdfFile:
    """A file that was read: its objects by number, and the trailer."""

    def __init__(self, content: bytes) -> None:
        end = _END.search(content[-64:])
        if not content.startswith(HEADER) or end is None or len(content) > MAX_BYTES:
            raise PdfError("it is no PDF file of a face, or not whole")
        try:
            self.objects, self.trailer = _objects(content, int(end[1]))
        except (IndexError, KeyError, RecursionError) as error:
            raise PdfError("its objects are damaged") from error

    def resolve(self, value: Value) -> Value:
        """Return what a reference points to, and any other value as it is."""
        if isinstance(value, Ref):
            if value.number not in self.objects:
                raise PdfError("a reference leads nowhere")
            return self.objects[value.number]
        return value

    def mapping(self, value: Value) -> Mapping[str, Value]:
        """Return the dictionary that a value is or refers to."""
        found = self.resolve(value)
        if not isinstance(found, dict):
            raise PdfError("a dictionary is missing")
        return found

    def array(self, value: Value) -> list[Value]:
        """Return the array that a value is or refers to."""
        found = self.resolve(value)
        if not isinstance(found, list):
            raise PdfError("an array is missing")
        return found

    def stream(self, value: Value) -> Stream:
        """Return the stream that a value refers to."""
        found = self.resolve(value)
        if not isinstance(found, Stream):
            raise PdfError("a stream is missing")
        return found

    @cached_property
    def catalogue(self) -> Mapping[str, Value]:
        """The document's root."""
        return self.mapping(self.trailer.get("Root"))

    @cached_property
    def pages(self) -> list[Mapping[str, Value]]:
        """The pages in their order; the tree has one level."""
        tree = self.mapping(self.catalogue.get("Pages"))
        return [self.mapping(kid) for kid in self.array(tree.get("Kids"))]


def _objects(content: bytes, table: int) -> tuple[dict[int, Value], Mapping[str, Value]]:
    head = re.compile(rb"xref\n0 (\d+)\n0000000000 65535 f \n").match(content, table)
    if head is None:
        raise PdfError("its cross-reference table is missing")
    position, found, expected = head.end(), {}, len(HEADER)
    for index in range(1, int(head[1])):
        entry = _ENTRY.match(content, position)
        if entry is None or int(entry[1]) != expected:
            raise PdfError("something stands between its objects")
        found[index], expected = _object(content, expected, index)
        position = entry.end()
    trailer = Tokens(content, position).after(b"trailer\n").value()
    if expected != table or not isinstance(trailer, dict) or trailer.keys() != {"Size", "Root", "Info"}:
        raise PdfError("its trailer is damaged")
    return found, trailer


def _object(content: bytes, position: int, index: int) -> tuple[Value, int]:
    """Read one object, and return it with the position behind it."""
    head = _OBJECT.match(content, position)
    if head is None or int(head[1]) != index:
        raise PdfError("an object is not where it should be")
    tokens = Tokens(content, head.end())
    value = tokens.value()
    if isinstance(value, dict) and content.startswith(b"\nstream\n", tokens.position):
        start, length = tokens.position + len(b"\nstream\n"), value.pop("Length", None)
        if not isinstance(length, int) or length < 0:
            raise PdfError("a stream has no length")
        value = Stream(content[start : start + length], value)
        tokens = Tokens(content, start + length).after(b"\nendstream")
    return value, tokens.after(b"\nendobj\n").position


class Tokens:
    """Values and operators one after the other."""

    def __init__(self, content: bytes, position: int = 0) -> None:
        self._content = content
        self.position = position

    def after(self, expected: bytes) -> Tokens:
        """Step over what must stand here."""
        if not self._content.startswith(expected, self.position):
            raise PdfError("an object does not end as it should")
        self.position += len(expected)
        return self

    def value(self) -> Value:
        """Read one value."""
        value = self._next()
        if isinstance(value, _Operator):
            raise PdfError("a value is missing")
        return value

    def operations(self) -> Iterator[tuple[str, list[Value]]]:
        """Read a content stream: each operator with its operands (7.8.2)."""
        operands: list[Value] = []
        while _NOTHING_MORE.match(self._content, self.position) is None:
            value = self._next()
            if isinstance(value, _Operator):
                yield str(value), operands
                operands = []
            else:
                operands.append(value)
        if operands:
            raise PdfError("operands without an operator")

    def _next(self) -> Value | _Operator:
        token = _TOKEN.match(self._content, self.position)
        if token is None:
            raise PdfError("something that is no PDF object")
        self.position = token.end()
        match token.lastgroup:
            case "number":
                text = token["number"]
                return float(text) if b"." in text else int(text)
            case "name":
                return Name(token["name"].decode("ascii"))
            case "hex":
                return bytes.fromhex(token["hex"].decode("ascii"))
            case "mark":
                return self._collection(token["mark"])
            case "word":
                word = token["word"].decode("ascii")
                return _WORDS[word] if word in _WORDS else _Operator(word)
            case _:
                return Ref(int(token[2]))

    def _collection(self, mark: bytes) -> Value:
        if mark == b"[":
            return list(self._until(b"]"))
        if mark != b"<<":
            raise PdfError("an end without its beginning")
        entries = list(self._until(b">>"))
        keys = entries[::2]
        if len(entries) % 2 or len(set(map(str, keys))) != len(keys) or not all(isinstance(k, Name) for k in keys):
            raise PdfError("a dictionary is damaged")
        return dict(zip(map(str, keys), entries[1::2], strict=True))

    def _until(self, mark: bytes) -> Iterator[Value]:
        while (end := _MARK.match(self._content, self.position)) is None or end[1] != mark:
            yield self.value()
        self.position = end.end()


def content_of(stream: Stream) -> bytes:
    """Return a stream's content, unpacked."""
    if stream.entries.get("Filter") != "FlateDecode":
        raise PdfError("a stream has another filter than Flate")
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(stream.data, MAX_BYTES)
    except zlib.error as error:
        raise PdfError("a stream cannot be unpacked") from error
    if not unpacking.eof or unpacking.unused_data:
        raise PdfError("a stream is not whole, or too long")
    return content
