"""An answer to reset as facts: what a card says of itself before the first command."""

from __future__ import annotations

from typing import TypeAlias

from jukicard.iso7816.atr import Atr, AtrError, HistoricalBytes

Facts: TypeAlias = dict[str, object]

CAPABILITIES = 7
"""Compact-TLV tag of the card capabilities (ISO/IEC 7816-4, card capabilities)."""
EXTENDED_LENGTH = 0x40
"""In their third byte: extended Lc and Le fields."""


def brief_atr(raw: bytes) -> Facts:
    """Return the ATR, its protocols and its historical bytes; of bytes that are no ATR, only these."""
    facts: Facts = {"atr": raw.hex(" ").upper()}
    try:
        atr = Atr.parse(raw)
    except AtrError:
        return {**facts, "protocols": [], "historical": None}
    protocols = [f"T={number}" for number in atr.protocols]
    return {**facts, "protocols": protocols, "historical": atr.historical.hex(" ").upper()}


def describe_atr(raw: bytes) -> Facts:
    """Return the same with the speed offered, T=1's block size, and whether the card claims extended length.

    `fi` and `di` are clock cycles and bits: a bit takes Fi/Di cycles of the reader's clock (null for reserved codes).
    """
    facts = brief_atr(raw)
    try:
        atr = Atr.parse(raw)
    except AtrError as error:
        return {**facts, "atr_fault": str(error), "fi": None, "di": None, "ifsc": None, "claims_extended": None}
    ifsc = atr.ifsc if 1 in atr.protocols else None
    claims = _claims_extended(atr.historical)
    return {**facts, "atr_fault": None, "fi": atr.fi, "di": atr.di, "ifsc": ifsc, "claims_extended": claims}


def _claims_extended(historical: bytes) -> bool | None:
    try:
        capabilities = HistoricalBytes.parse(historical).find(CAPABILITIES)
    except AtrError:
        return None
    return bool(capabilities[2] & EXTENDED_LENGTH) if capabilities is not None and len(capabilities) == 3 else None
