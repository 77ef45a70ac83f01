"""What an error means on the command line: its exit code (the one table), its message, its JSON."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path

import click

DONE, REFUSED, USAGE, NO_CARD, WRONG_PASSWORD, BLOCKED, ISSUER, RECORD, BUG = 0, 1, 2, 3, 4, 5, 6, 7, 70
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""

DEBUG_VARIABLE = "JUKI_DEBUG"


def families() -> tuple[tuple[type[BaseException], int], ...]:
    """Return the families of errors and their exit codes; the first that fits counts.

    IssuerError is not here: each of its kinds carries its own code (`issuer.errors`).
    """
    # Imported when something has gone wrong, not at every start.
    from jukicard.iso7816 import errors as host
    from jukicard.iso7816.apdu import ApduError
    from jukicard.iso7816.tlv import TlvError
    from jukicard.reader import cardfile
    from jukicard.reader.spec import ReaderSpecError
    from jukicard.sdk.building import BuildError
    from jukicard.sdk.project import ProjectError

    return (
        (host.PasswordWrong, WRONG_PASSWORD),
        (host.PasswordBlocked, BLOCKED),
        (host.TransportError, NO_CARD),
        (host.HostError, REFUSED),
        (TlvError, REFUSED),  # the card's answer is no well-formed data object
        (cardfile.WrongPassphrase, WRONG_PASSWORD),
        (cardfile.WrongStorageKey, ISSUER),
        (cardfile.CardFileExists, REFUSED),
        (cardfile.CardFileDamaged, REFUSED),
        (cardfile.CardFileRolledBack, REFUSED),
        (cardfile.CardFileError, NO_CARD),
        (ReaderSpecError, USAGE),
        (ApduError, USAGE),
        (ProjectError, RECORD),
        (BuildError, REFUSED),
        (OSError, REFUSED),  # the system's: no space, no permission
    )


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error; 70 for one that nobody foresaw."""
    from jukicard.issuer.errors import IssuerError

    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, IssuerError):
        return error.exit_code
    return next((code for family, code in families() if isinstance(error, family)), BUG)


def message(error: BaseException) -> str:
    """Say what went wrong.  Of an error that nobody foresaw, only its kind and place: its text might hold anything."""
    from jukicard.iso7816.errors import PasswordBlocked, PasswordWrong
    from jukicard.issuer.errors import IssuerError

    if isinstance(error, click.ClickException):
        return error.format_message()
    if exit_code(error) == BUG and not isinstance(error, IssuerError):
        return _bug(error)
    if isinstance(error, PasswordWrong):
        tries = error.tries_left
        return f"wrong password, {tries} {'try' if tries == 1 else 'tries'} left" + ("" if tries else ": it is blocked")
    if isinstance(error, PasswordBlocked):
        return "the password is blocked; the municipal office can set a new one"
    if isinstance(error, OSError):
        return ": ".join(str(part) for part in (error.filename, error.strerror or type(error).__name__) if part)
    return "\n".join((str(error) or type(error).__name__, *getattr(error, "__notes__", ())))


def as_json(error: BaseException, facts: Mapping[str, object]) -> str:
    """Return the error as JSON, with the facts that were established before it."""
    from jukicard.iso7816.errors import CardStatusError, PasswordBlocked, PasswordWrong

    sw = f"{error.sw:04X}" if isinstance(error, CardStatusError) else None
    tries = error.tries_left if isinstance(error, PasswordWrong) else 0 if isinstance(error, PasswordBlocked) else None
    described = {"code": exit_code(error), "message": message(error), "sw": sw, "tries_left": tries}
    return json.dumps({"error": described, **facts}, ensure_ascii=False, indent=2)


def report(error: Exception, *, json_wanted: bool, facts: Mapping[str, object]) -> int:
    """Print an error, as JSON on stdout or in words on stderr, and return its exit code."""
    code = exit_code(error)
    if json_wanted:
        click.echo(as_json(error, facts))
    elif isinstance(error, click.ClickException):
        error.show()
    else:
        click.echo(f"Error: {message(error)}", err=True)
    if code == BUG and os.environ.get(DEBUG_VARIABLE):
        click.echo("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, err=True)
    return code


def _bug(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}jukicard{os.sep}" in frame.filename]
    where = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return (
        f"a bug in jukicard ({type(error).__name__}{where}). Please report it with the command that you gave; "
        f"{DEBUG_VARIABLE}=1 shows where it happened."
    )
