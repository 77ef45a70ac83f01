"""What a card says of itself to everybody: numbers in the issuer domain's cells, readable by any reader (and so
traceable by any).
"""

from __future__ import annotations

from jukicard.card.context import DomainContext

DIVERSIFICATION_CELL = "id/diversification"


def identity_cell(tag: int) -> str:
    """Return the cell of the issuer domain's area that holds an identity object by its tag (42, 45, 9F7F, F0, …)."""
    return f"id/{tag:04x}"


def diversification_data(ctx: DomainContext) -> bytes:
    """Return the card's 10 bytes from which issuers derive its keys (GP Amendment D, 7.1.1.6)."""
    return ctx.issuer_area.read(DIVERSIFICATION_CELL) or bytes(10)


def identity(ctx: DomainContext, tag: int) -> bytes | None:
    """Return one of the identity objects, which the maker or the issuer has stored, or None."""
    return ctx.issuer_area.read(identity_cell(tag))
