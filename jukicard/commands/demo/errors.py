"""How the demo itself can fail."""

# ruff: noqa: N818 (the names say what happened)

from __future__ import annotations

from jukicard.issuer.errors import IssuerError


class FolderRefused(IssuerError):
    """The folder asked for holds something that is no former demo's (exit code 1)."""

    exit_code = 1


class StoryBroken(IssuerError):
    """A proof does not hold, or what must fail did not fail at its step: a bug of ours (exit code 70)."""

    exit_code = 70
