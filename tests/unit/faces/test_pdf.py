"""The PDF writer, its strict reader, and the subsets of fonts, held against other programs' libraries."""

from __future__ import annotations

import zlib
from io import BytesIO

import pypdfium2
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from jukicard.issuer.faces import prepare_face
from jukicard.issuer.faces.fonts import SHIPPED, glyphs, load
from jukicard.issuer.faces.pdf import Document, Name, Ref, Stream, Value, deflated, number
from jukicard.issuer.faces.pdfreading import PdfError, PdfFile, Tokens, content_of
from jukicard.issuer.faces.subsetting import Subsetter, glyph_data, same_outline
from tests.unit.faces.test_faces import data

VALUES: list[Value] = [
    None,
    True,
    -7,
    0.25,
    b"\x00<>\xff",
    Name("A.b-1+_2"),
    [1, [b"", Name("x")], {}],
    {"A": {"B": [Ref(1), 3]}},
]


def written(*values: Value) -> bytes:
    document = Document()
    refs = [document.add(value) for value in values]
    return document.file(refs[0], refs[0])


def test_what_is_written_is_read() -> None:
    document = Document()
    refs = [document.add(value) for value in [{"Root": 1}, *VALUES]]
    stream = document.add(deflated(b"content" * 99, Kind=Name("K")))
    file = PdfFile(document.file(refs[0], refs[0]))
    assert [file.resolve(ref) for ref in refs[1:]] == VALUES
    read = file.stream(stream)
    assert content_of(read) == b"content" * 99
    assert read.entries == {"Kind": "K", "Filter": "FlateDecode"}


def test_equal_objects_are_kept_once() -> None:
    document = Document()
    assert document.add({"A": 1}) == document.add({"A": 1}) != document.add({"A": 2})
    assert document.reserve() != document.reserve()


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (-0.0000001, "0"), (1.5, "1.5"), (12.3456789, "12.34568"), (242.6456692, "242.6457")]
)
def test_numbers_have_seven_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_only_pdf_values_are_written() -> None:
    with pytest.raises(TypeError, match="no PDF object"):
        written(object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"%PDF-1.7", b"%PDF-1.8"),
        (b"1 0 obj\n", b"1 0 obj \n"),
        (b"endobj", b"endobk"),
        (b"0000000015 ", b"0000000016 "),
        (b"/Root 1 0 R", b"/Prev 1 0 R"),
        (b"<</A 1>>", b"<</A 1 >"),
        (b"<</A 1>>", b"<<//A 1>"),
        (b"<</A 1>>", b"<</A(1)>"),
        (b"startxref\n", b"startxref "),
    ],
)
def test_what_is_not_as_it_is_written_is_refused(old: bytes, new: bytes) -> None:
    pdf = written({"A": 1})
    assert old in pdf
    with pytest.raises(PdfError):
        PdfFile(pdf.replace(old, new))


@pytest.mark.parametrize("content", [b"1 2", b"]", b"<</A>> d", b"<</A 1/A 2>> d", b"(text) Tj", b"<0> Tj", b"\x80"])
def test_a_content_stream_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises((PdfError, ValueError)):
        list(Tokens(content).operations())


def test_a_stream_that_is_too_long_or_cut_is_refused() -> None:
    packed = zlib.compress(bytes(40_000_000))
    for stream in (packed, packed[:-4], packed + b"x", b"no"):
        with pytest.raises(PdfError):
            content_of(Stream(stream, {"Filter": Name("FlateDecode")}))
    with pytest.raises(PdfError, match="another filter"):
        content_of(Stream(b"", {"Filter": Name("DCTDecode")}))


@pytest.mark.parametrize("text", ["見本花子123", "葛\U000e0100葛", "ÄÖÜéか゚", " "])
def test_a_subset_draws_what_the_font_draws_for_another_library(text: str) -> None:
    wanted = [glyph for glyph in glyphs(text) if glyph.font is load(SHIPPED)]
    gids = [glyph.gid for glyph in wanted]
    subset = TTFont(BytesIO(load(SHIPPED).subsetter.subset(gids)), checkChecksums=2)
    source = load(SHIPPED).ttf
    names = source.getGlyphOrder()
    for place, gid in enumerate(gids, 1):
        ours, theirs = DecomposingRecordingPen(subset.getGlyphSet()), DecomposingRecordingPen(source.getGlyphSet())
        subset.getGlyphSet()[subset.getGlyphName(place)].draw(ours)
        source.getGlyphSet()[names[gid]].draw(theirs)
        assert ours.value == theirs.value
        assert subset["hmtx"][subset.getGlyphName(place)] == source["hmtx"][names[gid]]


def _composed() -> TTFont:
    """A font of three glyphs: a square, two of it side by side, and two of those above each other."""
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square", "pair", "four"])
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 100), (100, 100), (100, 0)):
        pen.lineTo(point)
    pen.closePath()
    drawn = {".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()}
    for name, part, offset in (("pair", "square", (200, 0)), ("four", "pair", (0, 300))):
        pen = TTGlyphPen(drawn)
        pen.addComponent(part, (1, 0, 0, 1, 0, 0))
        pen.addComponent(part, (1, 0, 0, 0.5, *offset))
        drawn[name] = pen.glyph()
    builder.setupGlyf(drawn)
    builder.setupHorizontalMetrics(dict.fromkeys(drawn, (500, 0)))
    builder.setupHorizontalHeader()
    builder.setupMaxp()
    out = BytesIO()
    builder.save(out)
    return TTFont(BytesIO(out.getvalue()))


def test_composite_glyphs_bring_their_parts() -> None:
    source = _composed()
    subsetter = Subsetter(source)
    subset = subsetter.subset([3])
    read, font = glyph_data(subset), TTFont(BytesIO(subset), checkChecksums=2)
    assert len(read) == 4
    assert same_outline(read[1], read, subsetter.outline(3), subsetter)
    assert not same_outline(read[1], read, subsetter.outline(2), subsetter)
    ours, theirs = DecomposingRecordingPen(font.getGlyphSet()), DecomposingRecordingPen(source.getGlyphSet())
    font.getGlyphSet()[font.getGlyphName(1)].draw(ours)
    source.getGlyphSet()[source.getGlyphName(3)].draw(theirs)
    assert ours.value == theirs.value
    assert len(ours.value) > 16


@pytest.mark.parametrize("damage", [lambda font: font[:-4], lambda font: b"OTTO" + font[4:], lambda font: font + b"\0"])
def test_a_font_that_is_no_subset_of_ours_is_refused(damage: object) -> None:
    font = Subsetter(load(SHIPPED).ttf).subset([10, 11])
    assert len(glyph_data(font)) >= 3
    with pytest.raises(ValueError, match="font"):
        glyph_data(damage(font))  # type: ignore[operator]


def test_other_readers_find_nothing_wrong() -> None:
    document = pypdfium2.PdfDocument(prepare_face(data()).pdf)
    assert len(document) == 2
    assert document.get_metadata_dict(skip_empty=True) == {"Title": "Juki card face (TEST)", "Producer": "jukicard"}
    assert all(page.get_textpage().count_chars() > 20 for page in document)
