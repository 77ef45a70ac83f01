"""The photo of face B: opened with suspicion, turned upright, framed for its place, and fit to be printed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from jukicard.issuer.faces.framing import FramingError, framed, trimmed
from jukicard.issuer.faces.quality import faults, faults_unframed
from jukicard.issuer.faces.region import Region

MAX_PIXELS = 40_000_000
MAX_BYTES = 30_000_000
_FORMATS = ("JPEG", "PNG")


class PhotoError(ValueError):
    """The photo cannot be printed; each of the reasons says why."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


def load_photo(path: Path, ratio: float, height: int, crop: Region | None = None) -> bytes:
    """Return the photo as PNG, framed to `ratio` (width by height) and `height` pixels high at most, half of that at
    least.

    `crop` is the part to print, chosen by a person; then no head is looked for.  Only pixels are kept: no metadata of
    the given file.  Raises `PhotoError` with all reasons.
    """
    upright = _opened(path)
    cropped = upright.crop(_region(upright, ratio, crop).box)
    if cropped.height > height:
        cropped = cropped.resize((round(height * ratio), height), Image.Resampling.LANCZOS)
    reasons = faults(cropped, height // 2)
    if reasons:
        raise PhotoError(reasons)
    out = BytesIO()
    cropped.save(out, "PNG", compress_level=1)  # a third of the time, a tenth more bytes
    return out.getvalue()


def _region(upright: Image.Image, ratio: float, crop: Region | None) -> Region:
    if crop is None:
        try:
            return framed(upright, ratio)
        except FramingError as error:
            raise PhotoError([str(error), *faults_unframed(upright)]) from None
    if crop.box[2] > upright.width or crop.box[3] > upright.height:
        raise PhotoError([f"is {upright.width} by {upright.height} pixels, and the crop goes beyond"])
    return trimmed(crop, ratio)


def _opened(path: Path) -> Image.Image:
    """Return the picture in a file, upright, as RGB."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PhotoError([f"has more than {MAX_BYTES // 1_000_000} MB"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise PhotoError([f"has more than {MAX_PIXELS // 1_000_000} megapixels"])
                return ImageOps.exif_transpose(picture).convert("RGB")
    except PhotoError:
        raise
    except OSError as error:
        raise PhotoError(["is no whole JPEG or PNG picture" if error.errno is None else "cannot be read"]) from error
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError(["is no whole JPEG or PNG picture"]) from error
