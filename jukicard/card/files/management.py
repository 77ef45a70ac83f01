"""CREATE FILE, DELETE FILE, the life cycle of files (ISO/IEC 7816-9), for applets whose files are made by their host.

Such an applet has a DF of its own (`Root`), whose rules say who creates and deletes in it, and a quota.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from jukicard.card.commands import INTERINDUSTRY, Length, On, command, data
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files import selection
from jukicard.card.files.control import NewFile, creates_directory
from jukicard.card.files.quota import Quota
from jukicard.card.files.structures import MAX_DEPTH, File, FileKind, Files
from jukicard.card.objects import LifeCycle
from jukicard.card.root import Root
from jukicard.iso7816.access import AccessMode, AccessRules
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

_NAME = Length(0, 2)


def directory(ctx: Context, path: tuple[int, ...]) -> File | Root:
    """Return the DF at the end of a path from the application's own DF; without a path that one."""
    files = list(ctx.files.along(path))
    return files[-1] if files else Root.of(ctx.area)


def _current_df(cmd: CommandAPDU, ctx: Context) -> File | Root:
    return directory(ctx, ctx.channel.current_directory)


def _ef(cmd: CommandAPDU, ctx: Context) -> File:
    """Return the EF in the current DF that the data name; without data the current EF."""
    if not cmd.data:
        return selection.current_file(ctx)
    file = _child(cmd, ctx)
    if file.kind is FileKind.DIRECTORY:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, "the file is a DF")
    return file


def _df(cmd: CommandAPDU, ctx: Context) -> File | Root:
    """Return the DF in the current DF that the data name; without data the current DF."""
    if not cmd.data:
        return _current_df(cmd, ctx)
    file = _child(cmd, ctx)
    if file.kind is not FileKind.DIRECTORY:
        raise CardError(StatusWord.INCOMPATIBLE_FILE, "the file is no DF")
    return file


def _any(cmd: CommandAPDU, ctx: Context) -> File | Root:
    """Return the file in the current DF that the data name; without data the current EF, or the current DF without."""
    if cmd.data:
        return _child(cmd, ctx)
    return _current_df(cmd, ctx) if ctx.channel.current_file is None else selection.current_file(ctx)


def _child(cmd: CommandAPDU, ctx: Context) -> File:
    if len(cmd.data) != 2:
        raise CardError(StatusWord.WRONG_LENGTH, "a file is named by its identifier, two bytes")
    return selection.current_directory(ctx).by_fid(int.from_bytes(cmd.data))


def _around(cmd: CommandAPDU, ctx: Context) -> File | Root:
    return directory(ctx, _deleted(cmd, ctx).path[:-1])


def _deleted(cmd: CommandAPDU, ctx: Context) -> File:
    file = _any(cmd, ctx)
    if isinstance(file, Root):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "an application is deleted by its security domain")
    return file


@dataclass(frozen=True, slots=True)
class _Creation:
    """The rule of the current DF for creating an EF or a DF in it."""

    text: str = "the current DF, to create an EF or a DF"

    def authorise(self, cmd: CommandAPDU, ctx: Context) -> None:
        """Check it (6982), and the DF's life cycle (6985)."""
        mode = AccessMode.CREATE_DF if creates_directory(cmd.data) else AccessMode.CREATE_EF
        On(_current_df, mode, self.text).authorise(cmd, ctx)


@dataclass(frozen=True, slots=True)
class _Deletion:
    """The rule of the file for deleting it, or that of the DF around it for deleting what is in it: one is enough."""

    text: str = "the file, to delete, or the DF around it, to delete what is in it"

    def authorise(self, cmd: CommandAPDU, ctx: Context) -> None:
        """Check them (6982), and the life cycles (6985)."""
        try:
            On(_deleted, AccessMode.DELETE, self.text).authorise(cmd, ctx)
        except CardError as error:
            if error.sw is not StatusWord.SECURITY_NOT_SATISFIED:
                raise
            On(_around, AccessMode.DELETE_CHILD, self.text).authorise(cmd, ctx)


class FileManagement:
    """CREATE, DELETE, ACTIVATE, DEACTIVATE FILE, TERMINATE EF, TERMINATE DF."""

    initial_rules: ClassVar[AccessRules]
    """The rules of a file that was created in its initialisation state, until it is activated."""

    @command(
        INTERINDUSTRY,
        ins=0xE0,
        length=data(2, 1024),
        access=_Creation(),
        writes=True,
        spec="ISO/IEC 7816-9, CREATE FILE",
    )
    def create_file(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Create an EF or DF in the current DF from its control parameters 62; it becomes the current one.

        6A80 for parameters that are not understood, 6A89 where the identifier is taken, 6A84 for lack of quota.
        """
        files = selection.current_directory(ctx)
        new = NewFile.parse(cmd.data, self.initial_rules, files)
        if new.spec.kind is FileKind.DIRECTORY and len(files.path) == MAX_DEPTH:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"DFs lie at most {MAX_DEPTH} deep")
        file = files.create(new.spec, new.life_cycle)
        Quota(ctx.area).charge(_weight(file))
        selection.select(ctx, file)
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0xE4,
        length=_NAME,
        access=_Deletion(),
        writes=True,
        spec="ISO/IEC 7816-9, DELETE FILE",
    )
    def delete_file(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Delete an EF, or a DF with all that is in it, without a trace; the DF around it becomes current where it was.

        The application's own DF is not deleted here (6985).
        """
        file = _deleted(cmd, ctx)
        around = ctx.files.inside(file.path[:-1])
        Quota(ctx.area).charge(-sum(map(_weight, _all_below(file, around))))
        around.delete(file)
        channel = ctx.channel
        current = channel.current_directory
        if file.path in (current[: len(file.path)], (*current, channel.current_file)):
            ctx.on_success(lambda: channel.make_current(around.path, None))
        return ResponseAPDU()

    @command(
        INTERINDUSTRY,
        ins=0x44,
        length=_NAME,
        access=On(_any, AccessMode.ACTIVATE, "the file, to activate"),
        writes=True,
        spec="ISO/IEC 7816-9, ACTIVATE FILE",
    )
    def activate_file(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Activate an EF or DF that is in its initialisation state or deactivated; any other is 6985."""
        return _move(ctx, LifeCycle.ACTIVATED, LifeCycle.INITIALISATION, LifeCycle.DEACTIVATED)

    @command(
        INTERINDUSTRY,
        ins=0x04,
        length=_NAME,
        access=On(_any, AccessMode.DEACTIVATE, "the file, to deactivate"),
        writes=True,
        spec="ISO/IEC 7816-9, DEACTIVATE FILE",
    )
    def deactivate_file(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Deactivate an activated EF or DF: then it is only activated, terminated or deleted, as all that is in it."""
        return _move(ctx, LifeCycle.DEACTIVATED, LifeCycle.ACTIVATED)

    @command(
        INTERINDUSTRY,
        ins=0xE8,
        length=_NAME,
        access=On(_ef, AccessMode.TERMINATE, "the EF, to terminate"),
        writes=True,
        spec="ISO/IEC 7816-9, TERMINATE EF",
    )
    def terminate_ef(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Terminate an EF for good: then it is only deleted."""
        return _move(ctx, LifeCycle.TERMINATED, *LifeCycle)

    @command(
        INTERINDUSTRY,
        ins=0xE6,
        length=_NAME,
        access=On(_df, AccessMode.TERMINATE, "the DF, to terminate"),
        writes=True,
        spec="ISO/IEC 7816-9, TERMINATE DF",
    )
    def terminate_df(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Terminate a DF for good with all that is in it: then it is only deleted; the application's own DF by its
        security domain.
        """
        return _move(ctx, LifeCycle.TERMINATED, *LifeCycle)


def _move(ctx: Context, to: LifeCycle, *states: LifeCycle) -> ResponseAPDU:
    target = ctx.target
    assert isinstance(target, File | Root)  # noqa: S101  the locators of this module return nothing else
    if target.header.life_cycle not in states:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the file's life cycle does not lead there")
    target.set_life_cycle(to)
    return ResponseAPDU()


def _all_below(file: File, around: Files) -> Iterator[File]:
    """Yield a file and all that is in it: in an EF, nothing."""
    yield file
    inside = around.inside((file.fid,))
    for child in inside.all():
        yield from _all_below(child, inside)


def _weight(file: File) -> int:
    return file.header.cost + file.size
