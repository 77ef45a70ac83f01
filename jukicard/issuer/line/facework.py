"""The face of an order: checked before anything is begun, written when it is its turn, read back before the match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import FaceUnwritten, IssuerError, RecordError
from jukicard.issuer.faces import face_data, prepare_face
from jukicard.issuer.faces import template as face_template
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.records.resident import ResidentRecord

if TYPE_CHECKING:
    from jukicard.issuer.faces.face import PreparedFace


class FaceMaker(Protocol):
    """What makes a card's face, for the machine that personalises its chip."""

    def write(self, serial: str) -> None:
        """Write the files, whole or not at all; those of an earlier attempt may be there. FaceUnwritten."""

    def differences(self, serial: str) -> Sequence[object]:
        """Read the face back from where it was written, and return in what it differs from the record."""


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


def prepared(authority: Authority, record: ResidentRecord, expires: date, look: FaceLook) -> PreparedFace:
    """Check a face and lay it out.  What is wrong with it is told of the record (RecordError)."""
    try:
        data = face_data(record, authority.city, expires)
        return prepare_face(data, face_template(look.template), look.images, look.form)
    except RecordError as error:
        raise RecordError(replace(problem, record=record.label) for problem in error.problems) from error
