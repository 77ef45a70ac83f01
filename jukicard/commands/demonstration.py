"""`juki demo`: the whole story, narrated."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click


@click.command
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Where its files go.")
def demo(out: Path | None) -> None:
    """Tell the whole story, with real files.

    A municipality is set up, a card issued, handed over and authenticated; then what must fail, fails. Without --out
    the files are in a new folder where the system keeps temporary ones.

    \b
    Example:
      juki demo --out out/demo
    """
    from jukicard.commands.demo.story import tell

    if out is not None:
        tell(out, echo=click.echo)
        return
    with tempfile.TemporaryDirectory(prefix="juki-demo-") as temporary:
        tell(Path(temporary), echo=click.echo, files_stay=False)
