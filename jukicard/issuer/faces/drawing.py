"""Drawing a face: one PDF (a page for each side), and the picture of it that every other program would make."""

from __future__ import annotations

from io import BytesIO
from math import pi, sin

import pypdfium2
from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from jukicard.issuer.faces.data import FaceData
from jukicard.issuer.faces.embedding import EmbeddedFonts
from jukicard.issuer.faces.emboss import emboss_dots
from jukicard.issuer.faces.embosslayer import draw_emboss
from jukicard.issuer.faces.fonts import glyphs
from jukicard.issuer.faces.layout import width
from jukicard.issuer.faces.placing import MM, Line, Placed, Placing
from jukicard.issuer.faces.template import Code, Fill, Photo, Specimen, Template, Waves

DPI = 300


class FaceDrawing:
    """One face being drawn; `pdf` gives the whole document, the same bytes for the same face."""

    def __init__(self, data: FaceData, template: Template, placing: Placing, photo: bytes | None) -> None:
        self._data = data
        self._template = template
        self._placing = placing
        self._photo = photo
        self._out = BytesIO()
        size = (template.width * MM, template.height * MM)
        self._canvas = Canvas(self._out, pagesize=size, invariant=1, pageCompression=1)
        self._canvas.setTitle("Juki card face (TEST)")
        self._canvas.setProducer("jukicard")
        self._fonts = EmbeddedFonts(self._canvas)

    def pdf(self) -> bytes:
        """Draw the front, and the back where something stands on it."""
        self._begin_page()
        for layer in self._template.layers:
            if self._data.version.value in layer.versions:
                self._draw(layer)
        self._texts(self._placing.front)
        self._specimen()
        if self._data.braille is not None:
            dots = emboss_dots(self._data.braille, self._template, self._data.version)
            draw_emboss(self._canvas, self._template, dots)
        self._canvas.showPage()
        if self._placing.back:
            self._back()
        self._fonts.finish()
        self._canvas.save()
        return self._out.getvalue()

    def _begin_page(self) -> None:
        template = self._template
        path = self._canvas.beginPath()
        path.roundRect(0, 0, template.width * MM, template.height * MM, template.corner * MM)
        self._canvas.clipPath(path, stroke=0, fill=0)

    def _back(self) -> None:
        self._begin_page()
        for layer in self._template.layers:
            if isinstance(layer, Fill):
                self._draw(layer)
        box = self._template.back
        self._line(Line(glyphs("追記"), 7, box.x * MM, (self._template.height - box.y + 1) * MM, box.colour))
        self._texts(self._placing.back)
        self._specimen()
        self._canvas.showPage()

    def _draw(self, layer: object) -> None:
        match layer:
            case Fill():
                self._canvas.setFillColor(HexColor(layer.colour))
                self._canvas.rect(0, 0, self._template.width * MM, self._template.height * MM, stroke=0, fill=1)
            case Waves():
                self._waves(layer)
            case Photo() if self._photo is not None:
                y = self._template.height - layer.y - layer.height
                picture = ImageReader(BytesIO(self._photo))
                self._canvas.drawImage(picture, layer.x * MM, y * MM, layer.width * MM, layer.height * MM)
            case Code():
                self._code(layer)

    def _waves(self, layer: Waves) -> None:
        canvas, template = self._canvas, self._template
        canvas.setLineWidth(0.25)
        for number in range(layer.lines):
            canvas.setStrokeColor(HexColor(layer.colour if number % 2 else layer.second))
            base = template.height * (number + 0.5) / layer.lines
            path = canvas.beginPath()
            for step in range(61):
                x = template.width * step / 60
                y = base + layer.height * sin(2 * pi * (step / 20 + number / layer.lines))
                (path.lineTo if step else path.moveTo)(x * MM, y * MM)
            canvas.drawPath(path, stroke=1, fill=0)

    def _code(self, layer: Code) -> None:
        code = QRCode(1, QRErrorCorrectLevel.M)
        code.addData(self._data.code)
        code.make()
        modules = code.getModuleCount()
        side = layer.width / modules
        self._canvas.setFillColor(HexColor("#FFFFFF"))
        top, quiet = self._template.height - layer.y, (layer.width + 2 * side) * MM
        self._canvas.rect((layer.x - side) * MM, (top - layer.width - side) * MM, quiet, quiet, stroke=0, fill=1)
        self._canvas.setFillColor(HexColor("#101010"))
        for row in range(modules):
            for column in range(modules):
                if code.isDark(row, column):
                    x, y = layer.x + column * side, top - (row + 1) * side
                    self._canvas.rect(x * MM, y * MM, side * MM * 1.01, side * MM * 1.01, stroke=0, fill=1)

    def _texts(self, placed: tuple[Placed, ...]) -> None:
        for field in placed:
            for line in (*field.label, *field.lines):
                self._line(line)

    def _line(self, line: Line) -> None:
        self._canvas.setFillColor(HexColor(line.colour))
        self._fonts.show(line.glyphs, line.size, line.x, line.y)

    def _specimen(self) -> None:
        for layer in self._template.layers:
            if isinstance(layer, Specimen):
                text = glyphs(layer.text)
                self._canvas.saveState()
                self._canvas.translate(self._template.width * MM / 2, self._template.height * MM / 2)
                self._canvas.rotate(layer.angle)
                self._canvas.setFillColor(HexColor(layer.colour), alpha=layer.strength)
                self._fonts.show(text, layer.size, -width(text, layer.size) / 2, -layer.size / 3)
                self._canvas.restoreState()


def pictures(pdf: bytes) -> list[bytes]:
    """Return each page of a PDF as PNG, 300 dots per inch (1011 by 638 for a card)."""
    document = pypdfium2.PdfDocument(pdf)
    made = []
    for number in range(len(document)):
        page = document[number]
        picture = page.render(scale=(DPI - 0.01) / 72).to_pil().convert("RGB")
        out = BytesIO()
        picture.save(out, "PNG", dpi=(DPI, DPI))
        made.append(out.getvalue())
    return made
