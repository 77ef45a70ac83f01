"""The private pcscd, under the name that tests know."""

from __future__ import annotations

from jukicard.testing.pcscd import PcscdUnavailableError, PrivatePcscd, find_tool

__all__ = ["PcscdUnavailableError", "PrivatePcscd", "find_tool"]
