"""Handing a PDF to the system's printing (CUPS), by its command `lp`."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from jukicard.issuer.errors import NoPrinter

_NAME = re.compile(r"[^\s/#'\"\\-][^\s/#'\"\\]{0,126}")
"""What CUPS allows as a printer's name, and no hyphen at its beginning, which would look like an option."""
_SECONDS = 30


def printers() -> list[str]:
    """Return the names of the printers that the system knows; none where there is no CUPS."""
    if shutil.which("lpstat") is None:
        return []
    try:
        return _run("lpstat", "-e").split()
    except NoPrinter:
        return []


def check_printer(name: str) -> None:
    """Raise NoPrinter where nothing could be printed there: before anything else is done."""
    if shutil.which("lp") is None:
        raise NoPrinter("there is no print system (CUPS) here: the command lp is missing. Print the PDF elsewhere")
    if _NAME.fullmatch(name) is None:
        raise NoPrinter(f"{name!r} is no printer's name")
    known = printers()
    if known and name not in known:
        raise NoPrinter(f"there is no printer {name!r}; there are: {', '.join(known)}")


def spool(path: Path, printer: str, title: str, *options: str) -> str:
    """Print a file, in its own size, and return what the print system calls the job.  NoPrinter.

    `title` is what the queue shows to everybody; `options` are as `lp -o` takes them.
    """
    check_printer(printer)
    words = [word for option in ("print-scaling=none", *options) for word in ("-o", option)]
    told = _run("lp", "-d", printer, "-t", title, *words, "--", str(path))
    job = re.search(r"request id is (\S+)", told)
    return job[1] if job else told.strip()


def _run(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - lp, with words checked above
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPrinter(f"{words[0]} does not answer") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it does not say why"]
        raise NoPrinter(f"{words[0]} refuses to print: {lines[0]}")
    return done.stdout
