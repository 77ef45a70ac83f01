"""What the tests of card files share."""

from __future__ import annotations

KEY = bytes(range(100, 132))
CARD_ID = b"a card of tests"
CELLS = {f"juki/file/{n}": b"content of file %d " % n * (n + 1) for n in range(8)} | {"password/tries": b"\x03"}
