"""What is current on a logical channel, and how a command names another file: by FID, by path, by short identifier
(ISO/IEC 7816-4, file selection).
"""

from __future__ import annotations

from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.structures import File, FileKind, Files
from jukicard.iso7816.status import StatusWord

APPLICATION_DF = 0x3FFF
"""The FID that stands for the application's own DF at the head of a path."""

BY_FID, CHILD_DF, CHILD_EF, PARENT, FROM_APPLICATION, FROM_CURRENT = 0x00, 0x01, 0x02, 0x03, 0x08, 0x09
"""P1 of SELECT."""

_DIRECTORY = FileKind.DIRECTORY  # looked up once: in an enumeration that takes ten times as long


def current_directory(ctx: Context) -> Files:
    """Return the files of the current DF."""
    return ctx.files.inside(ctx.channel.current_directory)


def current_file(ctx: Context) -> File:
    """Return the current EF, or refuse with 6986 where there is none."""
    if ctx.channel.current_file is None:
        raise CardError(StatusWord.NO_CURRENT_EF, "no EF is selected")
    return current_directory(ctx).by_fid(ctx.channel.current_file)


def by_sfi(ctx: Context, sfi: int) -> File:
    """Return the file with that short identifier in the current DF, current if the command succeeds; 0 is the current
    EF.
    """
    if not sfi:
        return current_file(ctx)
    file = current_directory(ctx).by_sfi(sfi)
    select(ctx, file)
    return file


def by_fid(ctx: Context, fid: int) -> File:
    """Return the EF with that identifier in the current DF, current if the command succeeds."""
    file = current_directory(ctx).by_fid(fid)
    if file.kind is _DIRECTORY:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, f"file {fid:04X} is a DF")
    select(ctx, file)
    return file


def select(ctx: Context, file: File | None) -> None:
    """Make a file (None: the application's own DF) current if the command succeeds."""
    channel = ctx.channel
    if file is None:
        ctx.on_success(lambda: channel.make_current((), None))
    elif file.kind is _DIRECTORY:
        ctx.on_success(lambda: channel.make_current(file.path, None))
    else:
        ctx.on_success(lambda: channel.make_current(file.path[:-1], file.fid))


def find(ctx: Context, p1: int, name: bytes) -> File | None:
    """Return the file that P1 and the data of SELECT name; None is the application's own DF.

    6A82 where there is none, or it is not of the kind that P1 asks for.
    """
    current = ctx.channel.current_directory
    match p1:
        case 0x03 if not name and current:
            return _at_end(ctx.files, current[:-1])
        case 0x08:
            path = _path(name)
            return _at_end(ctx.files, path[1:] if path[0] == APPLICATION_DF else path)
        case 0x09:
            return _at_end(current_directory(ctx), _path(name))
        case 0x00 | 0x01 | 0x02 if len(name) == 2:
            file = current_directory(ctx).by_fid(int.from_bytes(name))
            if p1 == BY_FID or (p1 == CHILD_DF) == (file.kind is _DIRECTORY):
                return file
    raise CardError(StatusWord.FILE_NOT_FOUND, "no such file: there is no MF, and a name has one identifier")


def _path(name: bytes) -> tuple[int, ...]:
    if len(name) % 2:
        raise CardError(StatusWord.FILE_NOT_FOUND, "a path consists of two-byte identifiers")
    return tuple(int.from_bytes(name[start : start + 2]) for start in range(0, len(name), 2))


def _at_end(files: Files, path: tuple[int, ...]) -> File | None:
    along = list(files.along(path))
    return along[-1] if along else None
