"""`--hsm`, `--hsm-token`, `--hsm-serial`: the PKCS#11 token that keys are to be made in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from jukicard.issuer.keys.places import Token

F = TypeVar("F", bound=Callable[..., Any])


def token_options(function: F) -> F:
    """Add the options to a command, which gets the Token, or None, as `token`.  UsageError for some without others."""

    @functools.wraps(function)  # takes over the click options that were added before
    def wrapper(*args: Any, hsm: str | None, hsm_token: str | None, hsm_serial: str | None, **values: Any) -> Any:
        token = None
        if hsm is not None and hsm_token is not None and hsm_serial is not None:
            token = Token(hsm, hsm_token, hsm_serial)
        elif (hsm, hsm_token, hsm_serial) != (None, None, None):
            raise click.UsageError("a token is named by all three of --hsm, --hsm-token and --hsm-serial")
        return function(*args, token=token, **values)

    decorated: Any = wrapper
    for option in (
        click.option("--hsm-serial", metavar="SERIAL", help="The token's serial number."),
        click.option("--hsm-token", metavar="LABEL", help="The token's label."),
        click.option("--hsm", metavar="LIBRARY", help="PKCS#11 library of a token to make the keys in."),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
