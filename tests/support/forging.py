"""PDFs of faces changed behind the issuing machine's back: whole files, with right offsets and lengths."""

from __future__ import annotations

from collections.abc import Callable

from jukicard.issuer.faces.pages import group_name
from jukicard.issuer.faces.pdf import Document, Ref, Stream, Value, deflated
from jukicard.issuer.faces.pdfreading import PdfFile, content_of
from jukicard.issuer.faces.template import Plane


def forged(pdf: bytes, change: Callable[[PdfFile], None]) -> bytes:
    """The same file once `change` has changed its objects."""
    file = PdfFile(pdf)
    change(file)
    document = Document()
    for number in sorted(file.objects):
        assert document.reserve() == Ref(number)
        document.put(Ref(number), file.objects[number])
    root, info = file.trailer["Root"], file.trailer["Info"]
    assert isinstance(root, Ref)
    assert isinstance(info, Ref)
    return document.file(root, info)


def with_content(pdf: bytes, change: Callable[[bytes], bytes], plane: Plane = Plane.PERSONAL, page: int = 0) -> bytes:
    """The same file, the content of one of its planes changed."""

    def edit(file: PdfFile) -> None:
        resources = file.mapping(file.pages[page]["Resources"])
        ref = file.mapping(resources["XObject"])[group_name(plane)]
        assert isinstance(ref, Ref)
        _replace(file, ref, change)

    return forged(pdf, edit)


def with_unicode(pdf: bytes, old: str, new: str) -> bytes:
    """The same file, whose maps to Unicode say `new` where they said `old`."""

    def edit(file: PdfFile) -> None:
        for font in [value for value in file.objects.values() if isinstance(value, dict) and "ToUnicode" in value]:
            ref = font["ToUnicode"]
            assert isinstance(ref, Ref)
            _replace(file, ref, lambda cmap: cmap.replace(_target(old), _target(new)))

    changed = forged(pdf, edit)
    assert changed != pdf
    return changed


def _target(text: str) -> bytes:
    return f"> <{text.encode('utf-16-be').hex().upper()}>".encode()


def _replace(file: PdfFile, ref: Ref, change: Callable[[bytes], bytes]) -> None:
    stream = file.stream(ref)
    entries: dict[str, Value] = {key: value for key, value in stream.entries.items() if key != "Filter"}
    before = content_of(stream)
    file.objects[ref.number] = Stream(deflated(change(before)).data, {**stream.entries, **entries})
