"""What a person decides of one face: the confirmed reading for the braille, and the part of the photo to print."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jukicard.issuer.errors import Problem, RecordError
from jukicard.issuer.faces.braille import Braille, BrailleError, braille, propose
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.region import Region
from jukicard.issuer.records.resident import ResidentRecord

_UNCONFIRMED = "is missing: the record wants braille; look at the proposal and confirm it with `juki braille`"


@dataclass(frozen=True, slots=True)
class FaceChoices:
    """None is for what nobody has decided: no braille, the photo framed by the program."""

    braille: Braille | None = field(default=None, repr=False)
    photo_crop: Region | None = None

    @classmethod
    def of(cls, record: ResidentRecord, reading: str | None = None, photo_crop: Region | None = None) -> FaceChoices:
        """Return choices for a record; `reading` is the braille's, confirmed by a person; it wins over the record's.

        RecordError for a reading that cannot be embossed, or if the record wants no braille.
        """
        given = record.braille_reading if reading is None else reading
        return cls(None if given is None else _confirmed(record, given), photo_crop)

    @classmethod
    def confirmed(
        cls, record: ResidentRecord, reading: str | None = None, photo_crop: Region | None = None
    ) -> FaceChoices:
        """Return the choices where nobody can be asked: as `of`, but RecordError for braille without a reading."""
        choices = cls.of(record, reading, photo_crop)
        if record.braille and choices.braille is None:
            raise RecordError([Problem(record.label, "braille_reading", _UNCONFIRMED)])
        return choices

    def applied(self, data: FaceData) -> FaceData:
        """Return the data of a face with what was chosen."""
        return replace(data, braille=self.braille, photo_crop=self.photo_crop)


UNDECIDED = FaceChoices()


def _confirmed(record: ResidentRecord, reading: str) -> Braille:
    if not record.braille:
        raise RecordError([Problem(record.label, "braille_reading", "is given, and braille is not wanted")])
    try:
        return braille(propose(reading)).fitting()
    except BrailleError as error:
        raise RecordError([Problem(record.label, "braille_reading", str(error))]) from None
