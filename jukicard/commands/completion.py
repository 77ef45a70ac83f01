"""What the shell can complete: readers, terminals, card files.  A completion that fails completes nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from jukicard.commands.session import Session
from jukicard.reader.spec import CARD_SUFFIX


def readers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a reader specification."""
    kind, colon, rest = incomplete.partition(":")
    if not colon:
        return [CompletionItem(f"{name}:") for name in ("emulator", "pcsc") if name.startswith(kind)]
    if kind == "emulator":
        return [CompletionItem(f"emulator:{path}") for path in card_paths(rest)]
    if kind != "pcsc":
        return []
    from jukicard.iso7816.errors import HostError
    from jukicard.reader.pcsc import list_readers

    with contextlib.suppress(HostError):
        return [CompletionItem(f"pcsc:{name}") for name in list_readers() if name.startswith(rest)]
    return []


def card_paths(incomplete: str) -> list[str]:
    """Return the card files and folders whose paths begin so; folders with a slash at their end."""
    folder, _, beginning = incomplete.rpartition("/")
    prefix = incomplete[: len(incomplete) - len(beginning)]
    found = []
    with contextlib.suppress(OSError):
        for path in sorted(Path(folder or ("/" if prefix else ".")).iterdir()):
            if path.name.startswith(beginning) and not (path.name.startswith(".") and not beginning):
                if path.is_dir():
                    found.append(f"{prefix}{path.name}/")
                elif path.suffix == CARD_SUFFIX:
                    found.append(f"{prefix}{path.name}")
    return found


def card_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the path of a card file."""
    return [CompletionItem(path) for path in card_paths(incomplete)]


def terminals(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a terminal of the home."""
    folder = (ctx.find_object(Session) or Session()).home / "terminals"
    names = sorted(path.stem for path in folder.glob("[!.]*.pem"))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
