"""The two-dimensional code: a QR code of version 1, level M (ISO/IEC 18004), as a square of modules."""

from __future__ import annotations

from functools import lru_cache

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

SIDE = 21
"""Modules of version 1."""


@lru_cache(maxsize=1024)
def modules(text: str) -> frozenset[tuple[int, int]]:
    """Return the dark modules as (row, column), counted from the upper left corner."""
    code = QRCode(1, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    return frozenset((row, column) for row in range(SIDE) for column in range(SIDE) if code.isDark(row, column))
