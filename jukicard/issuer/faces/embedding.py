"""Fonts inside the PDF (ISO 32000-1, 9.7): composite fonts whose codes stand for this document's own glyphs.

The drawing library chooses glyphs by itself and writes no right ToUnicode beyond the basic plane; so each font is made
here: a subset of the TrueType file, one code per distinct cluster of text, and a ToUnicode map that gives back exactly
the text that was drawn, surrogates and variation selectors included.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

from fontTools import subset
from fontTools.ttLib import TTFont
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from jukicard.issuer.faces.fonts import FontFile, Glyph

_SYMBOLIC = 4
_OUTLINES = frozenset(("head", "hhea", "maxp", "hmtx", "loca", "glyf"))
"""All that a font in a PDF needs: which code is which glyph, the PDF itself says (ISO 32000-1, 9.9)."""


class EmbeddedFonts:
    """The fonts of one document.  Draw with `show`, then `finish` once."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._codes: dict[FontFile, dict[str, tuple[int, Glyph]]] = {}

    def show(self, line: Iterable[Glyph], size: float, x: float, y: float) -> float:
        """Draw a line of glyphs with its baseline at (x, y), in points, and return where it ends."""
        for glyph in line:
            codes = self._codes.setdefault(glyph.font, {})
            code, _ = codes.setdefault(glyph.text, (len(codes) + 1, glyph))
            name = self._name(glyph.font)
            self._canvas._code.append(f"BT {name} {size:.3f} Tf {x:.3f} {y:.3f} Td <{code:04X}> Tj ET")
            x += glyph.advance * size / 1000
        return x

    def finish(self) -> None:
        """Write the fonts that were used into the document."""
        document = self._canvas._doc
        fonts = document.idToObject["BasicFonts"].dict
        for font, codes in self._codes.items():
            fonts[self._name(font)[1:]] = _font(document, font, [glyph for _, glyph in codes.values()])

    def _name(self, font: FontFile) -> str:
        return f"/J{list(self._codes).index(font) + 1}"


def _font(document: pdfdoc.PDFDocument, font: FontFile, glyphs: list[Glyph]) -> pdfdoc.PDFObjectReference:
    name = f"JUKIAA+{font.name}"
    data, gids = _subset(font, glyphs)
    head, os2 = font.ttf["head"], font.ttf["OS/2"]
    scale = 1000 / head.unitsPerEm
    descriptor = pdfdoc.PDFDictionary(
        {
            "Type": pdfdoc.PDFName("FontDescriptor"),
            "FontName": pdfdoc.PDFName(name),
            "Flags": _SYMBOLIC,
            "FontBBox": pdfdoc.PDFArray([round(v * scale) for v in (head.xMin, head.yMin, head.xMax, head.yMax)]),
            "ItalicAngle": 0,
            "Ascent": round(os2.sTypoAscender * scale),
            "Descent": round(os2.sTypoDescender * scale),
            "CapHeight": 700,
            "StemV": 60,
            "FontFile2": _stream(document, data, Length1=len(data)),
        }
    )
    mapping = b"\0\0" + b"".join(gid.to_bytes(2, "big") for gid in gids)
    descendant = pdfdoc.PDFDictionary(
        {
            "Type": pdfdoc.PDFName("Font"),
            "Subtype": pdfdoc.PDFName("CIDFontType2"),
            "BaseFont": pdfdoc.PDFName(name),
            "CIDSystemInfo": pdfdoc.PDFDictionary(
                {"Registry": pdfdoc.PDFString("Adobe"), "Ordering": pdfdoc.PDFString("Identity"), "Supplement": 0}
            ),
            "FontDescriptor": document.Reference(descriptor),
            "DW": 1000,
            "W": pdfdoc.PDFArray([1, pdfdoc.PDFArray([round(glyph.advance, 2) for glyph in glyphs])]),
            "CIDToGIDMap": _stream(document, mapping),
        }
    )
    composite = pdfdoc.PDFDictionary(
        {
            "Type": pdfdoc.PDFName("Font"),
            "Subtype": pdfdoc.PDFName("Type0"),
            "BaseFont": pdfdoc.PDFName(name),
            "Encoding": pdfdoc.PDFName("Identity-H"),
            "DescendantFonts": pdfdoc.PDFArray([document.Reference(descendant)]),
            "ToUnicode": _stream(document, _to_unicode(glyphs)),
        }
    )
    return document.Reference(composite)


def _stream(document: pdfdoc.PDFDocument, content: bytes, **entries: int) -> pdfdoc.PDFObjectReference:
    stream = pdfdoc.PDFStream(content=content, filters=[pdfdoc.PDFZCompress])
    for key, value in entries.items():
        stream.dictionary[key] = value
    return document.Reference(stream)


def _subset(font: FontFile, glyphs: list[Glyph]) -> tuple[bytes, list[int]]:
    """Return a TrueType file with the outlines of these glyphs alone, and their numbers in it."""
    order = font.ttf.getGlyphOrder()
    source = TTFont(font.path, lazy=True, recalcTimestamp=False)
    source.setGlyphOrder(order)
    for tag in [tag for tag in source.keys() if tag not in _OUTLINES]:  # noqa: SIM118 - a TTFont is no mapping
        if tag != "GlyphOrder":
            del source[tag]
    names = [order[glyph.gid] for glyph in glyphs]
    options = subset.Options(layout_features=[], notdef_outline=True, glyph_names=True, hinting=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(glyphs=names)
    subsetter.subset(source)
    out = BytesIO()
    source.save(out)
    return out.getvalue(), [source.getGlyphID(name) for name in names]


def _to_unicode(glyphs: list[Glyph]) -> bytes:
    """Return the CMap from codes to UTF-16 text (ISO 32000-1, 9.10.3), at most 100 lines in each block."""
    pairs = [f"<{code:04X}> <{glyph.text.encode('utf-16-be').hex().upper()}>" for code, glyph in enumerate(glyphs, 1)]
    blocks = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]
    body = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return f"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{body}
endcmap
CMapName currentdict /CMap defineresource pop
end
end
""".encode("ascii")
