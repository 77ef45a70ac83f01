"""Which part of a picture is printed: all of an application photo, the part around the head of any other picture."""

from __future__ import annotations

from PIL import Image

from jukicard.issuer.faces.heads import Head, find_head
from jukicard.issuer.faces.region import Region

APPLICATION_RATIO = 35 / 45
"""Application photos are 45 mm high and 35 mm wide."""

RATIO_TOLERANCE = 0.025
"""A picture whose width by height is as near to that is taken for an application photo, as its photographer framed it
(4 : 5 is, 3 : 4 is not)."""

HEAD_SHARES = (0.40, 0.92)
"""The head's part of an application photo's height.  70 to 80 % is what photographers aim at; only what is far from
that is refused, since where hair and chin end is estimated."""

OFF_MIDDLE = 0.15
"""The middle of the head may be as far from the middle of an application photo, in widths of the photo."""

HEAD_SHARE = 0.68
"""In any other picture the crop is made so that the head has this part of its height."""

ROOM_ABOVE = 0.12
"""And this part of the height is above it, as far as the picture has it."""

LEAST_ROOM = 0.03
"""With less above it, the head touches the edge."""

BY_HAND = "name the part to be printed by --photo-crop X,Y,W,H (pixels)"


class FramingError(ValueError):
    """Which part of a picture is to be printed cannot be told, or is not there; the message says why."""


def framed(picture: Image.Image, ratio: float) -> Region:
    """Return the part of a picture (RGB, upright) to print, of that ratio of width to height.  FramingError."""
    head = find_head(picture)
    if abs(picture.width / picture.height - APPLICATION_RATIO) <= RATIO_TOLERANCE:
        if head is not None:
            _check_fit(picture, head)
        return trimmed(Region(0, 0, *picture.size), ratio)
    if head is None:
        raise FramingError(f"is not of the shape 35 : 45, and no head was found in it: {BY_HAND}")
    return _around(head, ratio, picture)


def trimmed(region: Region, ratio: float) -> Region:
    """Return the greatest part of that ratio: the middle of what is too wide, the upper part of what is too high."""
    if region.width / region.height > ratio:
        kept = round(region.height * ratio)
        return Region(region.x + (region.width - kept) // 2, region.y, kept, region.height)
    kept = round(region.width / ratio)
    return Region(region.x, region.y + round((region.height - kept) * _FROM_ABOVE), region.width, kept)


_FROM_ABOVE = 0.35
"""Of what is too high, this part is cut off above."""


def _check_fit(picture: Image.Image, head: Head) -> None:
    share, least_and_most = head.height / picture.height, "{:.0%} to {:.0%}".format(*HEAD_SHARES)
    if not HEAD_SHARES[0] <= share <= HEAD_SHARES[1]:
        raise FramingError(f"shows a head of {share:.0%} of its height, which is to be {least_and_most}: {BY_HAND}")
    if abs(head.middle / picture.width - 0.5) > OFF_MIDDLE:
        raise FramingError(f"shows the head beside the middle: {BY_HAND}")


def _around(head: Head, ratio: float, picture: Image.Image) -> Region:
    """Return the part around a head.  FramingError if the picture has not enough around it."""
    high = round(head.height / HEAD_SHARE)
    wide = round(high * ratio)
    left, top = round(head.middle - wide / 2), round(max(0.0, head.top - ROOM_ABOVE * high))
    fits = left >= 0 and left + wide <= picture.width and top + high <= picture.height
    if not fits or head.top - top < LEAST_ROOM * high:
        raise FramingError(f"shows the head too near to the edge to be framed: {BY_HAND}")
    return Region(left, top, wide, high)
