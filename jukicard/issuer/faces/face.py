"""A face that has been checked, and its files."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.drawing import DPI, FaceDrawing, pictures
from jukicard.issuer.faces.emboss import braille_facts
from jukicard.issuer.faces.photo import PhotoError, load_photo
from jukicard.issuer.faces.placing import Placing, place
from jukicard.issuer.faces.template import Photo, Template, template
from jukicard.issuer.files import write_atomically


@dataclass(frozen=True, slots=True)
class FaceFiles:
    """The files of one face; `back` is the picture of the back, where something stands on it."""

    pdf: Path
    png: Path
    json: Path
    back: Path | None = None


@dataclass(frozen=True, slots=True)
class PreparedFace:
    """A face that can be written: every glyph found, every text in its place, the photo opened and cropped."""

    data: FaceData
    template: Template
    placing: Placing = field(repr=False)
    pdf: bytes = field(repr=False)

    def write(self, folder: Path, stem: str, serial: str) -> FaceFiles:
        """Write STEM.pdf, STEM.png (and STEM-back.png), STEM.json, mode 0600; all of them or none."""
        front, *back = pictures(self.pdf)
        facts = json.dumps({"serial": serial, **self.facts()}, ensure_ascii=False, indent=2) + "\n"
        files = FaceFiles(
            folder / f"{stem}.pdf",
            folder / f"{stem}.png",
            folder / f"{stem}.json",
            folder / f"{stem}-back.png" if back else None,
        )
        wanted = [(files.pdf, self.pdf), (files.png, front), (files.json, facts.encode())]
        if files.back is not None:
            wanted.append((files.back, back[0]))
        written: list[Path] = []
        try:
            for path, content in wanted:
                write_atomically(path, content)
                written.append(path)
        except BaseException:
            for path in written:
                with suppress(OSError):
                    path.unlink()
            raise
        return files

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


def prepare_face(data: FaceData, wanted: Template | None = None) -> PreparedFace:
    """Check all that can go wrong with a face, and draw it; nothing is written.  RecordError lists what is wrong."""
    chosen = wanted or template()
    photo = _photo(data, chosen)
    placing = place(data, chosen)
    return PreparedFace(data, chosen, placing, FaceDrawing(data, chosen, placing, photo).pdf())


def _photo(data: FaceData, chosen: Template) -> bytes | None:
    for layer in chosen.layers:
        if isinstance(layer, Photo) and data.version.value in layer.versions and data.photo is not None:
            try:
                height = round(2 * layer.height / 25.4 * DPI)
                return load_photo(data.photo, layer.width / layer.height, height, data.photo_crop)
            except PhotoError as error:
                raise RecordError(Problem(data.photo.name, "photo", reason) for reason in error.reasons) from None
    return None
