"""The photo of face B: opened with suspicion, turned upright, cropped to the shape of its place."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

MAX_PIXELS = 40_000_000
MAX_BYTES = 30_000_000
MIN_HEIGHT = 150
_FORMATS = ("JPEG", "PNG")
_HEAD_ROOM = 0.35
"""Where the crop lies if the picture is too high: this part of what is cut off is taken from above."""


class PhotoError(ValueError):
    """The photo cannot be printed; the message says why."""


def load_photo(path: Path, ratio: float, height: int) -> bytes:
    """Return the photo as PNG, cropped to `ratio` (width by height) and `height` pixels high at most.

    Only pixels are kept: no metadata of the given file.  Raises `PhotoError`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PhotoError(f"has more than {MAX_BYTES // 1_000_000} MB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise PhotoError(f"has more than {MAX_PIXELS // 1_000_000} megapixels")
                upright = ImageOps.exif_transpose(picture).convert("RGB")
    except PhotoError:
        raise
    except OSError as error:
        raise PhotoError("is no whole JPEG or PNG picture" if error.errno is None else "cannot be read") from error
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError("is no whole JPEG or PNG picture") from error
    if upright.height < MIN_HEIGHT:
        raise PhotoError(f"is less than {MIN_HEIGHT} pixels high")
    cropped = _crop(upright, ratio)
    if cropped.height > height:
        cropped = cropped.resize((round(height * ratio), height), Image.Resampling.LANCZOS)
    out = BytesIO()
    cropped.save(out, "PNG", compress_level=1)  # a third of the time, a tenth more bytes
    return out.getvalue()


def _crop(picture: Image.Image, ratio: float) -> Image.Image:
    wide, high = picture.size
    if wide / high > ratio:
        kept = round(high * ratio)
        left = (wide - kept) // 2
        return picture.crop((left, 0, left + kept, high))
    kept = round(wide / ratio)
    top = round((high - kept) * _HEAD_ROOM)
    return picture.crop((0, top, wide, top + kept))
