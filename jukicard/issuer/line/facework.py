"""The face of an order: checked before anything is begun, written when it is its turn, read back before the match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import FaceUnwritten, IssuerError, Problem, RecordError, RuleRefused
from jukicard.issuer.faces import check_face, face_data, prepare_face
from jukicard.issuer.faces import template as face_template
from jukicard.issuer.faces.choices import UNDECIDED, FaceChoices
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.faces.template import Plane
from jukicard.issuer.records.resident import ResidentRecord

if TYPE_CHECKING:
    from jukicard.issuer.faces.chipimages import FaceImages
    from jukicard.issuer.faces.face import PreparedFace


class FaceMaker(Protocol):
    """What makes a card's face, for the machine that personalises its chip."""

    def write(self, serial: str) -> None:
        """Write the files, whole or not at all; those of an earlier attempt may be there. FaceUnwritten."""

    def differences(self, serial: str) -> Sequence[object]:
        """Read the face back from where it was written, and return in what it differs from the record."""

    def images(self) -> FaceImages:
        """Return the pictures of the face that the chip gets."""


@dataclass(frozen=True, slots=True)
class FaceWork:
    """A face whose files are written into `folder`, and read back from there."""

    face: PreparedFace
    look: FaceLook
    folder: Path

    def write(self, serial: str) -> None:
        """See FaceMaker."""
        try:
            self.face.write(self.folder, serial, serial, dpi=self.look.dpi)
        except IssuerError as error:
            raise FaceUnwritten(str(error)) from error

    def differences(self, serial: str) -> tuple[object, ...]:
        """See FaceMaker."""
        from jukicard.issuer.faces.matching import compare_face

        path = self.folder / f"{serial}.pdf"
        try:
            pdf = path.read_bytes()
        except OSError as error:
            return (f"{path} cannot be read: {error.strerror}",)
        return compare_face(pdf, self.face.data, self.face.template, self.look.images, self.face.photo)

    def images(self) -> FaceImages:
        """See FaceMaker."""
        return images_of(self.face, self.look)


def images_of(face: PreparedFace, look: FaceLook) -> FaceImages:
    """Return the pictures of a face that the chip gets."""
    from jukicard.issuer.faces.chipimages import face_images

    return face_images(face.data, face.photo, look.images)


def images_without_face(authority: Authority, record: ResidentRecord, expires: date) -> FaceImages:
    """Return the pictures that the chip gets where nothing is printed: as if it were printed by the usual template.

    RecordError for a photo that cannot be printed, and for characters that no font has.
    """
    from jukicard.issuer.faces.chipimages import face_images
    from jukicard.issuer.faces.face import prepared_photo

    with _told_of(record):
        data = face_data(record, authority.city, expires)
        return face_images(data, None if data.photo is None else prepared_photo(data, face_template()))


def check_images(authority: Authority, record: ResidentRecord, expires: date) -> None:
    """Check that those pictures can be made; nothing is drawn.  RecordError lists everything that is wrong."""
    from jukicard.issuer.faces.chipimages import glyph_problems
    from jukicard.issuer.faces.face import prepared_photo

    data = face_data(record, authority.city, expires)
    problems = [replace(problem, record=record.label) for problem in glyph_problems(data)]
    try:
        with _told_of(record):
            if data.photo is not None:
                prepared_photo(data, face_template())
    except RecordError as error:
        problems += error.problems
    if problems:
        raise RecordError(problems)


def prepared(
    authority: Authority,
    record: ResidentRecord,
    expires: date,
    look: FaceLook,
    choices: FaceChoices | None = None,
) -> PreparedFace:
    """Check a face and draw it, with what a person has chosen for it, else with what its record has as confirmed.

    What is wrong with it is told of the record (RecordError).  RuleRefused for a look without the layer of the dots
    that the face has.
    """
    chosen = choices or FaceChoices.of(record)
    if chosen.braille is not None and look.form is not None and Plane.EMBOSS not in look.form.planes:
        raise RuleRefused(
            f"{record.label}: wants braille, and its layer is not among those of the face: name emboss too"
        )
    with _told_of(record):
        data = chosen.applied(face_data(record, authority.city, expires))
        return prepare_face(data, face_template(look.template), look.images, look.form)


def check_face_of(authority: Authority, record: ResidentRecord, expires: date, look: FaceLook) -> None:
    """Check that the face of a record can be drawn where nobody is there to be asked; nothing is drawn.

    RecordError lists everything that is wrong, braille that nobody has confirmed among it.
    """
    problems: list[Problem] = []
    choices = UNDECIDED
    try:
        choices = FaceChoices.confirmed(record)
    except RecordError as error:
        problems += error.problems
    try:
        with _told_of(record):
            data = choices.applied(face_data(record, authority.city, expires))
            check_face(data, face_template(look.template), look.images)
    except RecordError as error:
        problems += error.problems
    if problems:
        raise RecordError(problems)


@contextmanager
def _told_of(record: ResidentRecord) -> Iterator[None]:
    """Tell what is wrong with a face of its record."""
    try:
        yield
    except RecordError as error:
        raise RecordError(replace(problem, record=record.label) for problem in error.problems) from error
