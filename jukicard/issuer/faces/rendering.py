"""Pictures of a card's pages, as every program would show them."""

from __future__ import annotations

from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

import pypdfium2

if TYPE_CHECKING:
    from PIL.Image import Image

DPI = 300
RESOLUTIONS = (300, 600)
"""Dots per inch that a picture can have: 1011 by 638 and 2022 by 1275 pixels for a card."""

PDFIUM = Lock()
"""PDFium serves one thread at a time; lines of readers are threads."""

_SAFE = 1 - 1e-9
"""Keeps a width that is a whole number of pixels from being rounded up to the next."""


def pictures(pdf: bytes, dpi: int = DPI) -> list[bytes]:
    """Return each page of a PDF as PNG, the page's size rounded to pixels."""
    with PDFIUM:
        document = pypdfium2.PdfDocument(pdf)
        rendered = [_rendered(document[number], dpi) for number in range(len(document))]
        document.close()
    return [_png(picture, dpi) for picture in rendered]


def _rendered(page: pypdfium2.PdfPage, dpi: int) -> Image:
    sizes = page.get_size()
    scale = min(round(size * dpi / 72) / size for size in sizes)
    rendered: Image = page.render(scale=scale * _SAFE).to_pil().convert("RGB")
    return rendered


def _png(picture: Image, dpi: int) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()
