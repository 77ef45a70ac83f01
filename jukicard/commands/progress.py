"""Progress of long work, on standard error: a line for each step, and a bar below them where there is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

NAME_WIDTH = 22


@contextmanager
def steps(title: str, total: int) -> Iterator[Callable[[str, str], None]]:
    """Yield what is to be called with name and description as each of `total` steps begins."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)

        def begin(name: str, description: str) -> None:
            console.print(f"[dim]{name:{NAME_WIDTH}}[/dim] {escape(description)}")
            bar.advance(task)

        yield begin
