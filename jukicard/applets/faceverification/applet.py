"""The face-verification application on the chip: files that the reference numbers on the face open."""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.faceverification import layout, rules
from jukicard.applets.faceverification.personalisation import DIGITS, Personalisation
from jukicard.applets.faceverification.records import FaceRecordError
from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.card.applet import Applet
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import ReadBinary
from jukicard.card.files.structures import FileKind, FileSpec
from jukicard.card.objects import LifeCycle
from jukicard.card.security.internal_files import InternalNumbers
from jukicard.card.security.passwords import PasswordSpec
from jukicard.iso7816.access import AccessRules
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord

_NONE = AccessRules()
_PASSWORDS = {
    number: PasswordSpec(layout.reference(number), _NONE, rules.NUMBER, digits, digits, layout.TRIES)
    for number, digits in DIGITS.items()
}


class FaceVerificationApplet(ReadBinary, InternalNumbers, Applet):
    """券面事項確認AP.  It is empty until it is personalised: what files there are follows from the face's version."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.FACE_AID
    label: ClassVar[str] = "Face"
    end_of_file: ClassVar[StatusWord] = StatusWord.OK

    def store_data(self, ctx: Context, block: bytes) -> None:
        """Take all that the application holds (`Personalisation`), in place of what it held.

        6A80 for what is not understood, or is not of the face's version; 6985 for another version than before.
        """
        try:
            given = Personalisation.parse(block)
        except FaceRecordError as error:
            raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
        contents = given.files()
        present = list(ctx.files.all())
        if present and {file.fid for file in present if file.fid in _CONTENTS} != contents.keys():
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "a card keeps its version of the face")
        for file in present:
            ctx.files.delete(file)
        opener = layout.NUMBER_A if given.face.version == "A" else layout.NUMBER_B
        access = {layout.EF_BIRTH: rules.opened_by(layout.BIRTH_NUMBER), layout.EF_FACE: rules.opened_by(opener)}
        for fid, content in contents.items():
            spec = FileSpec(fid, FileKind.TRANSPARENT, _NONE, access.get(fid, rules.FREE), sfi=fid, size=len(content))
            ctx.files.create(spec, LifeCycle.ACTIVATED).write(content)
        for number, digits in given.numbers.items():
            ctx.files.create(FileSpec(number, FileKind.INTERNAL, _NONE, _NONE, sfi=number), LifeCycle.ACTIVATED)
            ctx.passwords.create(_PASSWORDS[number], LifeCycle.ACTIVATED).set(digits.encode())


_CONTENTS = frozenset((layout.EF_BIRTH, layout.EF_FACE, layout.EF_BASIC, layout.EF_CERTIFICATES))
