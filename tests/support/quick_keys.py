"""Passwords whose keys are derived once and not in every run: scrypt is meant to take its time, but not here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jukicard.issuer.keys import filekeystore

_derived: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
_derive = filekeystore._derive


def derive_once(password: str, kdf: Mapping[str, Any]) -> tuple[bytes, bytes]:
    key = (password, *kdf.values())
    if key not in _derived:
        _derived[key] = _derive(password, kdf)
    return _derived[key]


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for exported cards, whose keys cost next to nothing then."""
    monkeypatch.setattr(filekeystore, "_derive", derive_once)
    monkeypatch.setattr("jukicard.reader.cardfile.sealing._SCRYPT_N", 1 << 4)
