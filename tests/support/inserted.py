"""A card in a private pcscd's reader, under the name that tests know."""

from __future__ import annotations

from jukicard.testing.inserted import PATIENCE_SECONDS, InsertedCard, inserted, wait_until

__all__ = ["PATIENCE_SECONDS", "InsertedCard", "inserted", "wait_until"]
