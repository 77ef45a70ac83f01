"""The emboss layer of the PDF: dots that are no ink.

They are a layer of their own (an optional content group "Emboss", ISO 32000-1, 8.11) in a spot colour of their own (a
separation "Emboss", 8.6.6.4), and overprint what is below.  The layer is off until somebody turns it on: a printer's
driver that knows nothing of it prints no dots.
"""

from __future__ import annotations

from collections.abc import Iterable

from reportlab.pdfbase.pdfdoc import (
    PDFArray,
    PDFDictionary,
    PDFName,
    PDFObjectReference,
    PDFStream,
    PDFString,
    PDFZCompress,
    xObjectName,
)
from reportlab.pdfgen.canvas import Canvas

from jukicard.issuer.faces.emboss import Dot
from jukicard.issuer.faces.placing import MM
from jukicard.issuer.faces.template import Template

LAYER = "Emboss"
_SHOWN_AS_CMYK = (0.9, 0.4, 0, 0)
"""What a screen shows for the spot colour, which is on no printer."""

_KAPPA = 0.5523
"""Control points of a quarter of a circle, in radii."""


def draw_emboss(canvas: Canvas, template: Template, dots: Iterable[Dot]) -> None:
    """Put the dots onto the canvas's page, as the layer of the document that is called Emboss."""
    document = canvas._doc
    group = document.Reference(PDFDictionary({"Type": PDFName("OCG"), "Name": PDFString(LAYER)}), "EmbossLayer")
    form = PDFStream(content=_circles(template, dots), filters=[PDFZCompress])
    box = PDFArray([0, 0, round(template.width * MM, 3), round(template.height * MM, 3)])
    entries = {"Type": PDFName("XObject"), "Subtype": PDFName("Form"), "BBox": box, "OC": group}
    for key, value in (entries | {"Resources": _resources()}).items():
        form.dictionary[key] = value
    document.Reference(form, xObjectName(LAYER))
    canvas.doForm(LAYER)
    _add_layer(canvas, group)


def _add_layer(canvas: Canvas, group: PDFObjectReference) -> None:
    """Name the layer in the catalogue; it is off at first."""
    catalogue = canvas._doc.Catalog
    catalogue.__NoDefault__ = [*catalogue.__NoDefault__, "OCProperties"]
    groups = PDFArray([group])
    default = PDFDictionary({"Name": PDFString("Ink"), "BaseState": PDFName("ON"), "OFF": groups, "Order": groups})
    catalogue.OCProperties = PDFDictionary({"OCGs": groups, "D": default})


def _resources() -> PDFDictionary:
    tint = {"FunctionType": 2, "Domain": PDFArray([0, 1]), "N": 1}
    tint |= {"C0": PDFArray([0, 0, 0, 0]), "C1": PDFArray(list(_SHOWN_AS_CMYK))}
    separation = PDFArray([PDFName("Separation"), PDFName(LAYER), PDFName("DeviceCMYK"), PDFDictionary(tint)])
    overprint = PDFDictionary({"Type": PDFName("ExtGState"), "OP": "true", "op": "true", "OPM": 1})
    return PDFDictionary(
        {
            "ColorSpace": PDFDictionary({LAYER: separation}),
            "ExtGState": PDFDictionary({"Overprint": overprint}),
        }
    )


def _circles(template: Template, dots: Iterable[Dot]) -> str:
    drawn = [f"/Overprint gs /{LAYER} cs 1 scn"]
    for dot in dots:
        x, y, radius = dot.x * MM, (template.height - dot.y) * MM, dot.diameter / 2 * MM
        bend = radius * _KAPPA
        quarters = (
            (radius, bend, bend, radius, 0, radius),
            (-bend, radius, -radius, bend, -radius, 0),
            (-radius, -bend, -bend, -radius, 0, -radius),
            (bend, -radius, radius, -bend, radius, 0),
        )
        drawn.append(f"{x + radius:.3f} {y:.3f} m")
        for quarter in quarters:
            points = " ".join(f"{value + (y if odd % 2 else x):.3f}" for odd, value in enumerate(quarter))
            drawn.append(f"{points} c")
        drawn.append("f")
    return "\n".join(drawn)
