"""What a person decides of one face: the confirmed reading for the braille, and the part of the photo to print."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.braille import Braille, BrailleError, braille, propose
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.region import Region
from jukicard.issuer.records.resident import ResidentRecord


@dataclass(frozen=True, slots=True)
class FaceChoices:
    """None is for what nobody has decided: no braille, the photo framed by the program."""

    braille: Braille | None = field(default=None, repr=False)
    photo_crop: Region | None = None

    @classmethod
    def of(cls, record: ResidentRecord, reading: str | None, photo_crop: Region | None = None) -> FaceChoices:
        """Return the choices for a record; `reading` is the braille's, confirmed by a person.

        RecordError for a reading that cannot be embossed, or if the record wants no braille.
        """
        return cls(None if reading is None else _confirmed(record, reading), photo_crop)

    def applied(self, data: FaceData) -> FaceData:
        """Return the data of a face with what was chosen."""
        return replace(data, braille=self.braille, photo_crop=self.photo_crop)


UNDECIDED = FaceChoices()


def _confirmed(record: ResidentRecord, reading: str) -> Braille:
    if not record.braille:
        raise RecordError([Problem(record.label, "braille", "is not wanted, and a reading for it was given")])
    try:
        return braille(propose(reading)).fitting()
    except BrailleError as error:
        raise RecordError([Problem(record.label, "braille", str(error))]) from None
