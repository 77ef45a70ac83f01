"""The emboss plane of the PDF: dots that are no ink.

They are drawn in a spot colour of their own (a separation "Emboss", ISO 32000-1, 8.6.6.4) and overprint what is below.
The plane is off until somebody turns it on (`pages`): a printer's driver that knows nothing of it prints no dots.
"""

from __future__ import annotations

from collections.abc import Mapping

from jukicard.issuer.faces.content import Content, rounded
from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.embedding import FontUse
from jukicard.issuer.faces.emboss import emboss_dots
from jukicard.issuer.faces.grounds import Form, Side
from jukicard.issuer.faces.pages import group_name
from jukicard.issuer.faces.pdf import Name, Value
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.template import Plane, Template

SPOT = group_name(Plane.EMBOSS)
"""The name of the spot colour, which is on no printer."""
_SHOWN_AS_CMYK = (0.9, 0.4, 0, 0)
"""What a screen shows for it."""

_OVERPRINT: Mapping[str, Value] = {"Type": Name("ExtGState"), "OP": True, "op": True, "OPM": 1}
_TINT: Mapping[str, Value] = {
    "FunctionType": 2,
    "Domain": [0, 1],
    "N": 1,
    "C0": [0, 0, 0, 0],
    "C1": list(_SHOWN_AS_CMYK),
}
_SEPARATION: Value = [Name("Separation"), Name(SPOT), Name("DeviceCMYK"), _TINT]


def emboss_form(data: FaceData, template: Template, side: Side) -> Form | None:
    """Return the form of a side's dots, or None where there are none.  RuleRefused as `emboss_dots`."""
    if side is not Side.FRONT or data.braille is None:
        return None
    content = Content()
    content.write(f"/Overprint gs /{SPOT} cs 1 scn")
    for dot in emboss_dots(data.braille, template, data.version):
        left, low = (dot.x - dot.diameter / 2) * MM, (template.height - dot.y - dot.diameter / 2) * MM
        size = dot.diameter * MM
        content.write(f"{rounded(left, low, size, size, size / 2)} f")
    return Form.of(content, FontUse(), template, {"Overprint": _OVERPRINT}, {SPOT: _SEPARATION})
