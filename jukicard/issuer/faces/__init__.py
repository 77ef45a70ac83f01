"""The faces of the card, A and B, as the law prints them: PDF, its picture, and the data as JSON.

Nothing of the drawing libraries is imported before a face is prepared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jukicard.issuer.faces.data import FaceData, face_data
from jukicard.issuer.faces.template import Template, template

if TYPE_CHECKING:
    from jukicard.issuer.faces.face import FaceFiles, PreparedFace
    from jukicard.issuer.faces.glyphimages import GlyphImages
    from jukicard.issuer.faces.pages import PrintForm

__all__ = ["FaceData", "FaceFiles", "PreparedFace", "Template", "check_face", "face_data", "prepare_face", "template"]


def __getattr__(name: str) -> object:
    if name in ("FaceFiles", "PreparedFace"):
        from jukicard.issuer.faces import face

        return getattr(face, name)
    raise AttributeError(name)


def prepare_face(
    data: FaceData,
    wanted: Template | None = None,
    images: GlyphImages | None = None,
    form: PrintForm | None = None,
) -> PreparedFace:
    """Check all that can go wrong with a face, and draw it; nothing is written.  RecordError lists what is wrong.

    `images` are for characters that no font has; `form` says which planes are printed, and with which marks (all,
    and none).
    """
    from jukicard.issuer.faces.face import prepare_face as prepare
    from jukicard.issuer.faces.pages import PrintForm

    return prepare(data, wanted, images, form or PrintForm())


def check_face(data: FaceData, wanted: Template, images: GlyphImages | None = None) -> None:
    """Check what `prepare_face` does, and draw nothing."""
    from jukicard.issuer.faces.face import laid_out

    laid_out(data, wanted, images)
