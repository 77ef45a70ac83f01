"""Fonts inside the PDF (ISO 32000-1, 9.7): composite fonts whose codes stand for this document's own glyphs.

Each font is a subset of its TrueType file: code 1 is the first distinct cluster of text that was drawn, and glyph 1 of
the subset, and so on; its ToUnicode map gives back exactly the text that was drawn, surrogates and variation selectors
included.  Glyph images make a Type 3 font (9.6.5) with the same kind of map.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jukicard.issuer.faces.content import Content
from jukicard.issuer.faces.fonts import FontFile, Glyph
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.pdf import Document, Name, Ref, Stream, Value, deflated

_SYMBOLIC = 4
MAX_IMAGES = 255
"""Glyph images that one face can have: the codes of a Type 3 font are one byte."""


@dataclass(frozen=True, slots=True)
class EmbeddedFont:
    """One font as it goes into a document: its dictionaries, and its streams, packed."""

    font: FontFile | GlyphImages
    glyphs: tuple[Glyph, ...]
    streams: tuple[Stream, ...]
    to_unicode: Stream

    @classmethod
    def of(cls, font: FontFile | GlyphImages, glyphs: Sequence[Glyph]) -> EmbeddedFont:
        """Make the font of these glyphs, each cluster once, whose codes are 1 and on."""
        if isinstance(font, GlyphImages):
            streams = tuple(deflated(font.procedure(glyph.text)) for glyph in glyphs)
        else:
            file = font.subsetter.subset([glyph.gid for glyph in glyphs])
            streams = (deflated(file, Length1=len(file)),)
        return cls(font, tuple(glyphs), streams, deflated(to_unicode(glyphs, code_size(font))))

    def add(self, document: Document) -> Ref:
        """Add it to a document, and return its dictionary."""
        if isinstance(self.font, GlyphImages):
            return document.add(self._type3(document))
        return document.add(self._composite(document, self.font))

    def _composite(self, document: Document, font: FontFile) -> dict[str, Value]:
        name = Name(f"JUKIAA+{font.name}")
        file = document.add(self.streams[0])
        descriptor = {"Type": Name("FontDescriptor"), "FontName": name, **font.descriptor, "FontFile2": file}
        descendant: dict[str, Value] = {
            "Type": Name("Font"),
            "Subtype": Name("CIDFontType2"),
            "BaseFont": name,
            "CIDSystemInfo": {"Registry": b"Adobe", "Ordering": b"Identity", "Supplement": 0},
            "FontDescriptor": document.add({**descriptor, "Flags": _SYMBOLIC}),
            "DW": 1000,
            "W": [1, [round(glyph.advance, 2) for glyph in self.glyphs]],
            "CIDToGIDMap": Name("Identity"),
        }
        return {
            "Type": Name("Font"),
            "Subtype": Name("Type0"),
            "BaseFont": name,
            "Encoding": Name("Identity-H"),
            "DescendantFonts": [document.add(descendant)],
            "ToUnicode": document.add(self.to_unicode),
        }

    def _type3(self, document: Document) -> dict[str, Value]:
        names = [f"g{code}" for code in range(1, len(self.glyphs) + 1)]
        procedures = {name: document.add(stream) for name, stream in zip(names, self.streams, strict=True)}
        return {
            "Type": Name("Font"),
            "Subtype": Name("Type3"),
            "FontBBox": [0, -140, 1000, 860],
            "FontMatrix": [0.001, 0, 0, 0.001, 0, 0],
            "CharProcs": procedures,
            "Encoding": {"Type": Name("Encoding"), "Differences": [1, *map(Name, names)]},
            "FirstChar": 1,
            "LastChar": len(names),
            "Widths": [round(glyph.advance, 2) for glyph in self.glyphs],
            "Resources": {},
            "ToUnicode": document.add(self.to_unicode),
        }


class FontUse:
    """The fonts of some content streams.  Draw with `show`, then `fonts` gives what was used."""

    def __init__(self) -> None:
        self._codes: dict[FontFile | GlyphImages, dict[str, tuple[int, Glyph]]] = {}

    def show(self, content: Content, line: Iterable[Glyph], size: float, x: float, y: float) -> float:
        """Draw a line of glyphs with its baseline at (x, y), in points, and return where it ends."""
        for glyph in line:
            codes = self._codes.setdefault(glyph.font, {})
            code, _ = codes.setdefault(glyph.text, (len(codes) + 1, glyph))
            name, digits = self._name(glyph.font), 2 * code_size(glyph.font)
            content.write(f"BT /{name} {size:.3f} Tf {x:.3f} {y:.3f} Td <{code:0{digits}X}> Tj ET")
            x += glyph.advance * size / 1000
        return x

    def fonts(self) -> dict[str, EmbeddedFont]:
        """Return the fonts that were used, by their names in the content."""
        return {
            self._name(font): EmbeddedFont.of(font, [glyph for _, glyph in codes.values()])
            for font, codes in self._codes.items()
        }

    def _name(self, font: FontFile | GlyphImages) -> str:
        return f"J{list(self._codes).index(font) + 1}"


def code_size(font: FontFile | GlyphImages) -> int:
    """Return how many bytes a code of this font has."""
    return 1 if isinstance(font, GlyphImages) else 2


def to_unicode(glyphs: Sequence[Glyph], size: int) -> bytes:
    """Return the CMap from codes of `size` bytes to UTF-16 text (ISO 32000-1, 9.10.3), at most 100 lines a block."""
    pairs = [
        f"<{code:0{2 * size}X}> <{glyph.text.encode('utf-16-be').hex().upper()}>"
        for code, glyph in enumerate(glyphs, 1)
    ]
    blocks = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]
    body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return f"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<{"00" * size}> <{"FF" * size}>
endcodespacerange
{body}
endcmap
CMapName currentdict /CMap defineresource pop
end
end
""".encode("ascii")
