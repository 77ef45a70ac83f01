"""How faces are to look, wherever they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jukicard.issuer.faces.glyphimages import GlyphImages
    from jukicard.issuer.faces.pages import PrintForm

DEFAULT_TEMPLATE = "2003"


@dataclass(frozen=True, slots=True)
class FaceLook:
    """How faces are to look: the template's name or file, the pictures' resolution (dots per inch, 300 or 600, None for
    no pictures), the glyph images, and in which form they are printed (None: whole, without marks).
    """

    template: str = DEFAULT_TEMPLATE
    dpi: int | None = 300
    images: GlyphImages | None = None
    form: PrintForm | None = None

    @property
    def characters(self) -> frozenset[str]:
        """The private-use characters that records may have, since they have images."""
        return self.images.characters if self.images is not None else frozenset()
