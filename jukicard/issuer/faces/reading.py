"""Reading a face's PDF back: what its pages paint, with every glyph's outline and the text that it stands for.

It reads strictly what `drawing` writes and nothing else (`PdfError`): what cannot be painted without being seen here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from zlib import crc32

from PIL import Image as Pictures

from jukicard.issuer.faces.pdf import Document, Ref, Stream, Value
from jukicard.issuer.faces.pdfreading import PdfError, PdfFile, Tokens, content_of
from jukicard.issuer.faces.subsetting import Outline, glyph_data

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points."""

_BLOCK = re.compile(rb"(\d+) beginbfchar\n((?:<[0-9A-F]+> <[0-9A-F]+>\n)+)endbfchar\n")
_TYPE0: Mapping[str, Value | str] = {
    "Type": "Font",
    "Subtype": "Type0",
    "BaseFont": None,
    "Encoding": "Identity-H",
    "DescendantFonts": None,
    "ToUnicode": None,
}
_CID_FONT: Mapping[str, Value | str] = {
    "Type": "Font",
    "Subtype": "CIDFontType2",
    "BaseFont": None,
    "CIDSystemInfo": {"Registry": b"Adobe", "Ordering": b"Identity", "Supplement": 0},
    "FontDescriptor": None,
    "DW": None,
    "W": None,
    "CIDToGIDMap": "Identity",
}
_DESCRIPTOR: Mapping[str, Value | str] = {
    "Type": "FontDescriptor",
    "FontName": None,
    "Flags": 4,
    "FontFile2": None,
    **dict.fromkeys(("FontBBox", "ItalicAngle", "Ascent", "Descent", "CapHeight", "StemV")),
}
_TYPE3: Mapping[str, Value | str] = {
    "Type": "Font",
    "Subtype": "Type3",
    "FontMatrix": [0.001, 0, 0, 0.001, 0, 0],
    "Resources": {},
    **dict.fromkeys(("FontBBox", "CharProcs", "Encoding", "FirstChar", "LastChar", "Widths", "ToUnicode")),
}
"""The entries of the dictionaries of fonts; None where more is to be said than a value, or nothing depends on it."""
_PAIR = re.compile(rb"<([0-9A-F]+)> <([0-9A-F]+)>\n")


@dataclass(frozen=True, slots=True)
class ReadFont:
    """A font that was read: for each code the text that it stands for, and what it draws.

    `outlines` are those of a TrueType subset by glyph number, or None; `procedures` those of glyph images by code.
    """

    name: str
    texts: Mapping[int, str] = field(repr=False)
    outlines: tuple[Outline, ...] | None = field(default=None, repr=False)
    procedures: Mapping[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Painted:
    """One thing that is painted."""

    colour: tuple[float, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class Run(Painted):
    """One glyph; `box` is its origin (twice)."""

    font: ReadFont = field(repr=False)
    code: int = field(repr=False)
    size: float

    @property
    def text(self) -> str | None:
        """The text that a reader gets for it."""
        return self.font.texts.get(self.code)


@dataclass(frozen=True, slots=True)
class Picture(Painted):
    """One image."""

    stream: Stream = field(repr=False)


class PaintedForm:
    """What a form paints, in its order: rectangles, images, glyphs.  `entries` are those of its dictionary that are
    neither its resources nor its filter.
    """

    def __init__(self, file: PdfFile, ref: Value) -> None:
        self._file = file
        self._form = file.stream(ref)
        self.entries = {k: v for k, v in self._form.entries.items() if k not in ("Filter", "Resources")}
        resources = file.mapping(self._form.entries.get("Resources", {}))
        if not resources.keys() <= {"Font", "XObject"}:
            raise PdfError("the personal plane draws with something that faces do not need")
        self._fonts = {name: read_font(file, font) for name, font in file.mapping(resources.get("Font", {})).items()}
        self._images = file.mapping(resources.get("XObject", {}))
        self._colour: tuple[float, ...] = ()
        self._matrix: list[float] | None = None
        self.painted = list(self._read())

    def _read(self) -> Iterator[Painted]:
        operations = Tokens(content_of(self._form)).operations()
        for operator, operands in operations:
            match operator, operands:
                case "rg", [float() | int(), float() | int(), float() | int()]:
                    self._colour = tuple(_numbers(operands))
                case "re", [_, _, _, _] if next(operations, None) == ("f", []):
                    x, y, width, height = _numbers(operands)
                    yield Painted(self._colour, (x, y, x + width, y + height))
                case "BT", []:
                    yield self._run(operations)
                case "q", []:
                    yield self._picture(operations)
                case _:
                    raise PdfError("the personal plane has an operation that faces do not need")

    def _run(self, operations: Iterator[tuple[str, list[Value]]]) -> Run:
        steps = [next(operations, ("", [])) for _ in range(4)]
        match steps:
            case [("Tf", [str(name), size]), ("Td", [x, y]), ("Tj", [bytes(code)]), ("ET", [])] if name in self._fonts:
                font, (at, up, points) = self._fonts[name], _numbers([x, y, size])
                return Run(self._colour, (at, up, at, up), font, int.from_bytes(code, "big"), points)
        raise PdfError("a text is not drawn as faces are")

    def _picture(self, operations: Iterator[tuple[str, list[Value]]]) -> Picture:
        steps = [next(operations, ("", [])) for _ in range(3)]
        match steps:
            case [("cm", [_, _, _, _, _, _] as matrix), ("Do", [str(name)]), ("Q", [])] if name in self._images:
                width, skew, slant, height, x, y = _numbers(matrix)
                if not skew and not slant:
                    stream = self._file.stream(self._images[name])
                    return Picture((), (x, y, x + width, y + height), stream)
        raise PdfError("a picture is not drawn as faces are")


def _numbers(values: list[Value]) -> list[float]:
    if not all(isinstance(value, (int, float)) for value in values):
        raise PdfError("a number is missing")
    return [float(value) for value in values if isinstance(value, (int, float))]


def read_font(file: PdfFile, ref: Value) -> ReadFont:
    """Read one font, as `embedding` makes them."""
    font = file.mapping(ref)
    if font.get("Subtype") == "Type3":
        return _type3(file, font)
    (descendant,) = file.array(font.get("DescendantFonts"))
    cid = file.mapping(descendant)
    descriptor = file.mapping(cid.get("FontDescriptor"))
    if not (_has(font, _TYPE0) and _has(cid, _CID_FONT) and _has(descriptor, _DESCRIPTOR)):
        raise PdfError("a font is of another kind than those of faces")
    try:
        outlines = glyph_data(content_of(file.stream(descriptor.get("FontFile2"))))
    except (ValueError, struct.error, RecursionError) as error:
        raise PdfError("a font's outlines are damaged") from error
    name = str(font.get("BaseFont")).partition("+")[2]
    return ReadFont(name, _texts(content_of(file.stream(font.get("ToUnicode"))), 2), outlines)


def _has(entries: Mapping[str, Value], wanted: Mapping[str, Value | str]) -> bool:
    """Return whether a dictionary has these keys and no others, with these values (None: any)."""
    return entries.keys() == wanted.keys() and all(v is None or entries[k] == v for k, v in wanted.items())


def _type3(file: PdfFile, font: Mapping[str, Value]) -> ReadFont:
    procedures = file.mapping(font.get("CharProcs"))
    names = file.array(file.mapping(font.get("Encoding")).get("Differences"))
    if names[:1] != [1] or not _has(font, _TYPE3):
        raise PdfError("a font of glyph images is not one of faces")
    drawn = {code: content_of(file.stream(procedures.get(str(name)))) for code, name in enumerate(names[1:], 1)}
    return ReadFont("GlyphImages", _texts(content_of(file.stream(font.get("ToUnicode"))), 1), None, drawn)


def _texts(cmap: bytes, size: int) -> dict[int, str]:
    """Read a ToUnicode map with codes of `size` bytes."""
    texts: dict[int, str] = {}
    for block in _BLOCK.finditer(cmap):
        pairs = _PAIR.findall(block[2])
        if len(pairs) != int(block[1]):
            raise PdfError("a map to Unicode is damaged")
        for code, text in pairs:
            if len(code) != 2 * size or int(code, 16) in texts:
                raise PdfError("a map to Unicode is ambiguous")
            try:
                texts[int(code, 16)] = bytes.fromhex(text.decode()).decode("utf-16-be")
            except ValueError as error:
                raise PdfError("a map to Unicode is damaged") from error
    if cmap.count(b"beginbf") != len(_BLOCK.findall(cmap)) or b"usecmap" in cmap:
        raise PdfError("a map to Unicode is not one of faces")
    return texts


def pixels(stream: Stream) -> tuple[int, int, bytes]:
    """Return width, height and RGB rows of an image that `drawing.photo_image` made."""
    entries = stream.entries
    width, height = entries.get("Width"), entries.get("Height")
    parameters = {"Predictor": 15, "Colors": 3, "BitsPerComponent": 8, "Columns": width}
    fixed = (entries.get("ColorSpace"), entries.get("BitsPerComponent"), entries.get("DecodeParms"))
    if not isinstance(width, int) or not isinstance(height, int) or fixed != ("DeviceRGB", 8, parameters):
        raise PdfError("a picture is of another kind than photos of faces")
    if entries.keys() & {"SMask", "Mask", "Decode", "ImageMask", "OC"} or not 0 < width * height < 10_000_000:
        raise PdfError("a picture is masked, or too large")
    rows = content_of(Stream(stream.data, {"Filter": entries.get("Filter")}))
    if len(rows) != height * (1 + 3 * width):
        raise PdfError("a picture is not whole")
    return width, height, _unfiltered(width, height, stream.data)


def _unfiltered(width: int, height: int, packed: bytes) -> bytes:
    """Return the rows of an image without PNG's row filters: as a PNG, it is what PNG readers unpack."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    try:
        with Pictures.open(BytesIO(png), formats=("PNG",)) as picture:
            return picture.convert("RGB").tobytes()
    except (OSError, ValueError, SyntaxError) as error:
        raise PdfError("a picture is damaged") from error


def reached(file: PdfFile, *roots: Value) -> frozenset[int]:
    """Return the numbers of the objects to which some objects lead."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Ref) and value.number not in found:
            found.add(value.number)
            waiting.append(file.resolve(value))
        elif isinstance(value, Stream):
            waiting.extend(value.entries.values())
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return frozenset(found)


def digest(file: PdfFile, root: Value) -> bytes:
    """Return a digest of everything that an object consists of.

    It does not depend on the objects' numbers, nor on how streams are packed.
    """
    made = sha256()
    places: dict[int, int] = {}

    def walk(value: Value) -> None:
        if isinstance(value, Ref):
            known = value.number in places
            made.update(b"R%d;" % places.setdefault(value.number, len(places)))
            if known:
                return
            value = file.resolve(value)
        if isinstance(value, Stream):
            content = content_of(value)
            made.update(b"S%d;" % len(content) + content)
            value = value.entries
        if isinstance(value, Mapping):
            for key in sorted(value):
                made.update(f"K{key};".encode())
                walk(value[key])
            made.update(b"E;")
        elif isinstance(value, list):
            made.update(b"L%d;" % len(value))
            for entry in value:
                walk(entry)
        else:
            made.update(f"{type(value).__name__} {value!r};".encode())

    walk(root)
    return made.digest()


def alone(document: Document, root: Ref) -> PdfFile:
    """Return a document with one object of interest as if it had been read: `root` is what its catalogue is."""
    return PdfFile(document.file(root, root))
