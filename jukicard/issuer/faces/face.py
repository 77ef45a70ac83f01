"""A face that has been checked, and its files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.drawing import FaceDrawing
from jukicard.issuer.faces.emboss import braille_facts, emboss_place
from jukicard.issuer.faces.glyphimages import GlyphImages
from jukicard.issuer.faces.pages import Marks, PrintForm
from jukicard.issuer.faces.photo import PhotoError, load_photo
from jukicard.issuer.faces.placing import Placing, place
from jukicard.issuer.faces.template import Photo, Template, template
from jukicard.issuer.files import write_atomically

_PHOTO_DPI = 600


@dataclass(frozen=True, slots=True)
class FaceFiles:
    """The files of one face; `png` and `back` are the pictures of its sides, None where none were wanted."""

    pdf: Path
    json: Path
    png: Path | None = None
    back: Path | None = None


@dataclass(frozen=True, slots=True)
class PreparedFace:
    """A face that can be written: every glyph found, every text in its place, the photo opened and cropped.

    `photo` is the prepared photo (PNG), `form` in which form `pdf` is printed.
    """

    data: FaceData
    template: Template
    placing: Placing = field(repr=False)
    photo: bytes | None = field(repr=False)
    form: PrintForm
    pdf: bytes = field(repr=False)

    def write(self, folder: Path, stem: str, serial: str, *, dpi: int | None = 300) -> FaceFiles:
        """Write STEM.pdf, STEM.json, STEM.png and STEM-back.png, mode 0600; all of them or none.

        The pictures have `dpi` dots per inch (300 or 600); None leaves them out.
        """
        facts = json.dumps({"serial": serial, **self.facts()}, ensure_ascii=False, indent=2) + "\n"
        wanted = {folder / f"{stem}.pdf": self.pdf, folder / f"{stem}.json": facts.encode()}
        names = [folder / f"{stem}.png", folder / f"{stem}-back.png"] if dpi is not None else []
        wanted |= dict(zip(names, self.pictures(dpi) if dpi is not None else [], strict=True))
        written: list[Path] = []
        try:
            for path, content in wanted.items():
                write_atomically(path, content)
                written.append(path)
        except BaseException:
            for path in written:
                with suppress(OSError):
                    path.unlink()
            raise
        return FaceFiles(*wanted)

    def pictures(self, dpi: int) -> list[bytes]:
        """Return front and back as PNG, cut as the card is."""
        from jukicard.issuer.faces.rendering import pictures  # not for the many whose PDF is all that is wanted

        cut = self.pdf
        if self.form.marks is not Marks.NONE:
            form = PrintForm(self.form.planes)
            cut = FaceDrawing(self.data, self.template, self.placing, self.photo, form).pdf()
        return pictures(cut, dpi)

    def facts(self) -> dict[str, object]:
        """Return the face's data as its JSON file has them."""
        continued = {
            placed.field: "".join(glyph.text for line in placed.lines for glyph in line.glyphs)
            for placed in self.placing.back
        }
        facts: dict[str, object] = {"version": self.data.version.value, "template": self.template.name}
        facts |= self.data.fields()
        facts |= {"continued_on_back": continued} if continued else {}
        return facts | braille_facts(self.data, self.template)


def prepare_face(
    data: FaceData,
    wanted: Template | None = None,
    images: GlyphImages | None = None,
    form: PrintForm = PrintForm(),  # noqa: B008 - it is frozen
) -> PreparedFace:
    """Check all that can go wrong with a face, and draw it; nothing is written.  RecordError lists what is wrong."""
    chosen = wanted or template()
    placing, photo = laid_out(data, chosen, images)
    pdf = FaceDrawing(data, chosen, placing, photo, form).pdf()
    return PreparedFace(data, chosen, placing, photo, form, pdf)


def laid_out(data: FaceData, chosen: Template, images: GlyphImages | None = None) -> tuple[Placing, bytes | None]:
    """Return where everything stands, and the photo as it is printed: all that can go wrong with a face does so here.

    RecordError lists everything that is wrong with texts and photo; RuleRefused where the template has no place for
    braille.
    """
    if data.braille is not None:
        emboss_place(chosen, data.version)
    problems: list[Problem] = []
    try:
        photo = prepared_photo(data, chosen)
    except RecordError as error:
        problems += error.problems
    try:
        placing = place(data, chosen, images)
    except RecordError as error:
        problems += error.problems
    if problems:
        raise RecordError(problems)
    return placing, photo


def prepared_photo(data: FaceData, chosen: Template) -> bytes | None:
    """Return the photo as it is printed, or None where none is.  RecordError says what is wrong with it."""
    for layer in chosen.layers:
        if isinstance(layer, Photo) and data.version.value in layer.versions and data.photo is not None:
            try:
                height = round(layer.height / 25.4 * _PHOTO_DPI)
                return load_photo(data.photo, layer.width / layer.height, height, data.photo_crop)
            except PhotoError as error:
                raise RecordError(Problem(data.photo.name, "photo", reason) for reason in error.reasons) from None
    return None
