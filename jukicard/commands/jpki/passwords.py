"""Passwords of the JPKI application at the command line: their forms, and the options that name them."""

from __future__ import annotations

from collections.abc import Callable

import click

from jukicard.applets.jpki.layout import CREDENTIALS, Usage
from jukicard.commands.passwords import Source, password_options

_FORMS = {
    Usage.SIGNATURE: "the signature password has 6 to 16 characters: capital letters and digits",
    Usage.AUTHENTICATION: "the authentication password has 4 digits",
}

sign_password = password_options(
    "password", "password", "Signature password (6 to 16 capital letters and digits)", "the holder's signature"
)
authentication_password = password_options(
    "authentication_password",
    "authentication-password",
    "Authentication password (4 digits)",
    "the holder's authentication",
)
key_password = password_options("password", "password", "Password of that key", "that key's")
new_key_password = password_options("new_password", "new-password", "New password of that key", "that key's new")

usage_option = click.option(
    "--key",
    "usage",
    type=click.Choice([usage.value for usage in Usage]),
    default=Usage.SIGNATURE.value,
    show_default=True,
    callback=lambda ctx, param, value: Usage(value),
    help="Which key.",
)


def asked(source: Source, usage: Usage, *, new: bool = False) -> Callable[[], str]:
    """Return what gives a password of the right form when asked: one from a file is read and checked now."""
    if not source.given:
        return lambda: _read(source, usage, new=new)
    password = _read(source, usage)
    return lambda: password


def _read(source: Source, usage: Usage, *, new: bool = False) -> str:
    credential = CREDENTIALS[usage]
    while True:
        password = source.read(new=new)
        fits = credential.minimum <= len(password) <= credential.maximum
        if fits and password.isascii() and set(password.encode()) <= set(credential.alphabet):
            return password
        if source.given:
            raise click.UsageError(_FORMS[usage])
        click.echo(f"{_FORMS[usage].capitalize()}.", err=True)
