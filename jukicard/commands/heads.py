"""A head of the ledger that was kept elsewhere, as commands take it, and what they print of a verified ledger."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from jukicard.issuer.ledger.ledger import Verified

F = TypeVar("F", bound=Callable[..., Any])

MAX_HEAD = 200


def head_options(function: F) -> F:
    """Add --head and --head-file to a command, which gets what they give as `kept`."""

    @functools.wraps(function)  # takes over the click options that were added before
    def wrapper(*args: Any, **values: Any) -> Any:
        head, file = values.pop("head"), values.pop("head_file")
        if head is not None and file is not None:
            raise click.UsageError("--head and --head-file exclude each other")
        values["kept"] = head if file is None else _first_line(file)
        return function(*args, **values)

    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    click.option("--head-file", type=path, help="File that holds it (the first line).")(wrapper)
    option = click.option("--head", metavar="NUMBER:HEX", help="A head that was printed before, and kept elsewhere.")
    return option(wrapper)  # type: ignore[return-value]


def verified(found: Verified, kept: str | None) -> dict[str, object]:
    """Return what a verification has found, and that it continues a head that was kept."""
    facts: dict[str, object] = {
        "entries": int(found.head.partition(":")[0]),
        "head": found.head,
        "sealed_up_to": found.sealed,
        "unattended": found.unattended,
    }
    if kept is not None:
        facts["continues"] = True
    return facts


def _first_line(path: Path) -> str:
    """Return the first line of a file: what stands there is checked by the ledger."""
    with path.open("rb") as file:
        return file.readline(MAX_HEAD).decode("ascii", "replace").strip()
