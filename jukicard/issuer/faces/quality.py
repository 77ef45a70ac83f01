"""Whether a photo is fit to be printed: resolution, focus, exposure, contrast, colour, ground.

The thresholds are ours: they refuse what nobody would accept at a counter, and no more.  All but the first are measured
on the part that is printed, brought to one height, so that the same photo is judged alike at any resolution.
"""

from __future__ import annotations

from PIL import Image, ImageFilter, ImageStat

MEASURED_HEIGHT = 236
"""Pixels: the photo's 20 mm at 300 dpi."""

LEAST_FOCUS = 5.0
"""Variance of the Laplacian (4 neighbours) of the luminance, in thousandths of the luminance's own variance: so a dark
or a flat photo is not taken for a blurred one."""

BRIGHTNESS = (50, 225)
"""Mean luminance of the middle of the photo, where the face is."""

LEAST_CONTRAST = 18.0
"""Standard deviation of the luminance of the whole."""

LEAST_COLOUR = 3.0
"""Mean distance of Cb and Cr from grey, in the middle."""

MOST_CLIPPED = 0.35
"""The part of the middle that is quite white or quite black."""

WHITE, BLACK = 250, 5

MOST_UNEVEN = 48.0
"""Standard deviation of the luminance in the upper corners, beside the head."""

_MIDDLE = (0.25, 0.25, 0.75, 0.75)
_CORNERS = ((0.0, 0.0, 0.14, 0.35), (0.86, 0.0, 1.0, 0.35))
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)


def faults(photo: Image.Image, least_height: int) -> list[str]:
    """Return what is wrong with a photo (RGB, the part that is printed): a reason each, none if it is fit."""
    reasons = []
    if photo.height < least_height:
        reasons.append(f"is {photo.height} pixels high as it would be printed, and 300 dpi need {least_height}")
    measured = _measured(photo)
    return reasons + _faults_anywhere(measured) + _ground(measured.getchannel(0))


def faults_unframed(picture: Image.Image) -> list[str]:
    """Return what is wrong with a picture wherever the head may be in it."""
    return _faults_anywhere(_measured(picture))


def _measured(photo: Image.Image) -> Image.Image:
    """Return a photo as YCbCr of the height that all is measured at."""
    wide = max(1, round(photo.width * MEASURED_HEIGHT / photo.height))
    return photo.resize((wide, MEASURED_HEIGHT), Image.Resampling.BILINEAR).convert("YCbCr")


def _faults_anywhere(measured: Image.Image) -> list[str]:
    luma, cb, cr = measured.split()
    return _focus_and_contrast(luma) + _exposure(_part(luma, _MIDDLE)) + _colour(cb, cr)


def focus(luma: Image.Image) -> float:
    """Return the variance of the Laplacian of a grey picture, in thousandths of the picture's own; 0 for one tone."""
    edges = luma.filter(_LAPLACIAN).crop((1, 1, luma.width - 1, luma.height - 1))
    return 1000 * ImageStat.Stat(edges).var[0] / (ImageStat.Stat(luma).var[0] or 1.0)


def _focus_and_contrast(luma: Image.Image) -> list[str]:
    contrast = ImageStat.Stat(luma).stddev[0]
    if contrast < LEAST_CONTRAST:
        return [f"has too little contrast ({contrast:.0f}, at least {LEAST_CONTRAST:.0f})"]
    sharpness = focus(luma)
    return [f"is out of focus ({sharpness:.1f}, at least {LEAST_FOCUS:.0f})"] if sharpness < LEAST_FOCUS else []


def _exposure(middle: Image.Image) -> list[str]:
    mean, histogram = ImageStat.Stat(middle).mean[0], middle.histogram()
    black, white = (sum(part) / (middle.width * middle.height) for part in (histogram[: BLACK + 1], histogram[WHITE:]))
    measured = f"mean brightness where the face is {mean:.0f}, to be {BRIGHTNESS[0]} to {BRIGHTNESS[1]}"
    if mean < BRIGHTNESS[0] or black > MOST_CLIPPED:
        return [f"is too dark ({measured}; {black:.0%} is black)"]
    if mean > BRIGHTNESS[1] or white > MOST_CLIPPED:
        return [f"is overexposed ({measured}; {white:.0%} is white)"]
    return []


def _colour(cb: Image.Image, cr: Image.Image) -> list[str]:
    away = [abs(value - 128) for value in range(256)]
    chroma = sum(ImageStat.Stat(_part(channel, _MIDDLE).point(away)).mean[0] for channel in (cb, cr))
    return ["has no colour"] if chroma < LEAST_COLOUR else []


def _ground(luma: Image.Image) -> list[str]:
    uneven = max(ImageStat.Stat(_part(luma, corner)).stddev[0] for corner in _CORNERS)
    if uneven > MOST_UNEVEN:
        return [f"has no plain ground beside the head (unevenness {uneven:.0f}, at most {MOST_UNEVEN:.0f})"]
    return []


def _part(picture: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = box
    wide, high = picture.size
    return picture.crop((int(left * wide), int(top * high), int(right * wide), int(bottom * high)))
