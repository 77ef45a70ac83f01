"""Asking before something that cannot be undone."""

from __future__ import annotations

import click

from jukicard.issuer.errors import RuleRefused


def confirm(question: str, otherwise: str) -> None:
    """Ask on standard error; a no is RuleRefused(otherwise), no terminal a UsageError."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        raise click.UsageError("there is no terminal to ask at: --yes goes on without asking") from None
    if not agreed:
        raise RuleRefused(otherwise)
