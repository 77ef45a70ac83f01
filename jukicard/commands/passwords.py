"""Where passwords come from: a hidden prompt, a private file, or a file descriptor.  Never an option's value or the
environment, which other users can see.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

MAX_BYTES = 1024
HOLDER_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Source:
    """Where one password is to come from: a file, a descriptor, or with neither the prompt.

    `option` is how the options begin, `asked` what the prompt says, or what tells that when it comes to it.
    """

    option: str
    asked: str | Callable[[], str]
    file: Path | None = None
    descriptor: int | None = None

    @property
    def given(self) -> bool:
        """Whether it comes from a file or descriptor."""
        return self.file is not None or self.descriptor is not None

    def read(self, *, new: bool = False) -> str:
        """Return the password; a `new` one is asked for twice at the prompt.  UsageError if there is none."""
        if self.file is not None and self.descriptor is not None:
            raise click.UsageError(f"--{self.option}-file and --{self.option}-fd exclude each other")
        if self.file is not None:
            return _from_file(self.file, f"--{self.option}-file")
        if self.descriptor is not None:
            return _from_descriptor(self.descriptor, f"--{self.option}-fd")
        return self._prompt(new)

    def _prompt(self, new: bool) -> str:
        asked = self.asked if isinstance(self.asked, str) else self.asked()
        try:
            return str(click.prompt(asked, hide_input=True, confirmation_prompt=new, err=True))
        except click.Abort as abort:
            if not isinstance(abort.__context__, EOFError):
                raise
            begins = asked[0] if asked[:2].isupper() else asked[0].lower()
            raise click.UsageError(
                f"no {begins}{asked[1:]}: there is no terminal to ask at; "
                f"use --{self.option}-file or --{self.option}-fd"
            ) from None

    def read_digits(self, *, new: bool = False, most: int = HOLDER_DIGITS) -> str:
        """Return the holder's password, four digits, or up to `most`: nothing else ever reaches a card."""
        digits = f"{HOLDER_DIGITS} digits" if most == HOLDER_DIGITS else f"{HOLDER_DIGITS} to {most} digits"
        while True:
            password = self.read(new=new)
            if HOLDER_DIGITS <= len(password) <= most and password.isascii() and password.isdigit():
                return password
            if self.given:
                raise click.UsageError(f"the holder's password has {digits}")
            click.echo(f"It has {digits}.", err=True)

    def holder(self, *, new: bool = False, most: int = HOLDER_DIGITS) -> Callable[[], str]:
        """Return what gives the holder's password when asked: one from a file is read and checked now."""
        if not self.given:
            return lambda: self.read_digits(new=new, most=most)
        password = self.read_digits(most=most)
        return lambda: password


def password_options(
    parameter: str, option: str, asked: str | Callable[[], str], whose: str, *, alias: str | None = None
) -> Callable[[F], F]:
    """Add `--OPTION-file` and `--OPTION-fd` to a command, which gets the Source as `parameter`.

    `alias` is another beginning of the options' names.
    """
    beginnings = [name for name in (option, alias) if name is not None]

    def decorate(function: F) -> F:
        file_name, fd_name = f"{parameter}_file", f"{parameter}_fd"

        @functools.wraps(function)  # takes over the click options that were added before
        def wrapper(*args: Any, **values: Any) -> Any:
            values[parameter] = Source(option, asked, values.pop(file_name), values.pop(fd_name))
            return function(*args, **values)

        file_help = f"File (mode 0600) with {whose} password."
        descriptors = [f"--{beginning}-fd" for beginning in beginnings]
        click.option(*descriptors, fd_name, type=click.IntRange(0), help="Descriptor to read it from.")(wrapper)
        path = click.Path(exists=True, dir_okay=False, path_type=Path)
        files = [f"--{beginning}-file" for beginning in beginnings]
        return click.option(*files, file_name, type=path, help=file_help)(wrapper)  # type: ignore[return-value]

    return decorate


holder_password = password_options("password", "password", "Holder's password (4 digits)", "the holder's")
new_password = password_options("new_password", "new-password", "New password (4 digits)", "the holder's new")
reset_to_password = password_options(
    "password", "password", "New password (4 digits)", "the holder's new", alias="new-password"
)


def _authority_asked() -> str:
    """What the prompt says for the home at hand."""
    from jukicard.commands.session import Session  # which imports this module

    session = click.get_current_context().find_object(Session)
    token = None if session is None else session.token()
    return AUTHORITY_ASKED if token is None else f"PIN of {token}"


AUTHORITY_ASKED = "Authority's password"
authority_password = password_options(
    "authority_password", "authority-password", _authority_asked, "the authority's", alias="hsm-pin"
)
"""The authority's password, or the PIN of the token that has its keys: the same options, under both names."""
national_password = password_options("national_password", "national-password", "National root's password", "its")


def _from_file(path: Path, option: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise click.UsageError(f"{option}: {path} cannot be read: {error.strerror}") from None
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o177:
            raise click.UsageError(f"{option}: {path} must be private: its mode must be 0600")
        return _from_descriptor(descriptor, option)
    finally:
        os.close(descriptor)


def _from_descriptor(descriptor: int, option: str) -> str:
    """Read one line, byte by byte: several passwords may stand in one pipe, a line each."""
    line = bytearray()
    try:
        while len(line) <= MAX_BYTES and (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
            line += byte
        password = line.removesuffix(b"\r").decode()
    except OSError as error:
        raise click.UsageError(f"{option}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{option}: the password is not UTF-8") from None
    if not password or len(line) > MAX_BYTES:
        raise click.UsageError(f"{option}: a password has 1 to {MAX_BYTES} bytes")
    return password
