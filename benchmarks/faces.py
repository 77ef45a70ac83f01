"""Faces: from a record's data to the bytes of a PDF, and back again to the match.

One core, the shipped font, whatever the process keeps between cards already kept, as in a batch. The names change from
card to card. Face B has its photo prepared from a JPEG of 413 by 531 pixels (35 by 45 mm at 300 dpi) each time, as a
batch does; the drawing alone is measured beside it, with the photo prepared before.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from PIL import Image

from benchmarks.cards import ROOT
from benchmarks.measuring import CPU, Effort, Item, middle
from jukicard.issuer.faces import FaceData, prepare_face, template
from jukicard.issuer.faces.drawing import FaceDrawing
from jukicard.issuer.faces.face import prepared_photo
from jukicard.issuer.faces.matching import compare_face
from jukicard.issuer.faces.pages import PrintForm
from jukicard.issuer.faces.placing import place
from jukicard.issuer.records.resident import Face

PER_SECOND = 40
"""The target, in faces per second on one core."""

_NAMES = "見本花子太郎佐藤鈴木高橋田中渡辺伊藤山本中村小林加藤吉田山田一二三四五六七八九十"
_CONTACT = "見本市役所市民課 TEL:012-345-6789"
A = FaceData(Face.A, "見本市", _CONTACT, date(2036, 11, 20), "見本　太郎")


def run(effort: Effort) -> Iterator[Item]:
    """Measure faces of A and B."""
    chosen = template("2009")
    count = max(2, effort.rounds // 2)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        portrait = Path(folder) / "portrait.jpg"
        with Image.open(ROOT / "examples" / "residents" / "portrait-drawn.png") as picture:
            picture.convert("RGB").resize((413, 531)).save(portrait, "JPEG", quality=90)
        b = replace(
            A,
            version=Face.B,
            birth="昭和53年11月23日",
            sex="女",
            address="架空県見本市北町6丁目26番20号",
            photo=portrait,
        )
        photo = prepared_photo(b, chosen)

        def drawn(data: FaceData) -> bytes:
            return FaceDrawing(data, chosen, place(data, chosen), photo, PrintForm()).pdf()

        yield _rate("face A: PDF", lambda data: prepare_face(data, chosen).pdf, A, count)
        yield _rate("face B: PDF, with its photo prepared", lambda data: prepare_face(data, chosen).pdf, b, count)
        yield _rate("face B: PDF, the photo prepared before", drawn, b, count)
        yield _rate("face B: read back and matched", lambda data: _matched(drawn(data), data, photo), b, count)


def _matched(pdf: bytes, data: FaceData, photo: bytes | None) -> None:
    if compare_face(pdf, data, template("2009"), photo=photo):
        raise AssertionError("a face that does not match what it was drawn from")


def _rate(name: str, make: Callable[[FaceData], object], data: FaceData, count: int) -> Item:
    """Faces per second of the processor's time, each with another name; the first is not counted."""
    seconds = []
    for pair in itertools.islice(itertools.permutations(_NAMES, 2), count + 1):
        start = CPU()
        make(replace(data, name=f"見本　{''.join(pair)}"))
        seconds.append(CPU() - start)
    rates = [1 / spent for spent in seconds[1:]]
    ratio, spread = middle([rate / PER_SECOND for rate in rates])
    target = f"{PER_SECOND} 1/s"
    return Item(name, statistics.median(rates), None, "1/s", ratio, spread, 1.0, "higher", target)
