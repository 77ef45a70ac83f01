"""Errors that the host side raises, in families: the pipe, the card's refusals, answers that make no sense.

Messages never contain command or response data.
"""

# ruff: noqa: N818 - the names say what happened, as a person would: CardRemoved, PasswordWrong

from __future__ import annotations

from collections.abc import Container

from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.status import StatusWord


class HostError(Exception):
    """Anything that goes wrong between a host and a card."""


class TransportError(HostError):
    """The way to the card failed; whether the card processed the last command is unknown."""


class NoReader(TransportError):
    """There is no such reader, or no reader service."""


class NoCard(TransportError):
    """The reader is empty, or its card does not answer."""


class CardRemoved(TransportError):
    """The card left, or stopped answering, in mid-session."""


class ReaderBusy(TransportError):
    """Another program holds the reader."""


class ProtocolLimit(TransportError):
    """The connection cannot carry such a command or response, by its protocol or its length."""


class MalformedResponse(HostError):
    """The card's answer cannot be understood: too short, endless, or not in the form promised."""


class CardStatusError(HostError):
    """The card refused: `sw` is its status word, `what` what was attempted (a few words, no data)."""

    def __init__(self, sw: StatusWord, what: str) -> None:
        super().__init__(sw, what)  # both, so that copies and pickles are whole
        self.sw = sw
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}: {self.sw} ({self.sw.description})"


class PasswordWrong(CardStatusError):
    """63Cx: the password was wrong."""

    @property
    def tries_left(self) -> int:
        """Tries left, 0..15."""
        return self.sw & 0x0F


class PasswordBlocked(CardStatusError):
    """6983: no tries are left."""


class AuthenticationFailed(HostError):
    """One side could not prove itself: at which `step` of the dialogue, and the `reason` (no data)."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(step, reason)
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}"


_OK = frozenset((StatusWord.OK,))


def check(response: ResponseAPDU, what: str, *, ok: Container[int] = _OK) -> ResponseAPDU:
    """Return `response` if its status word is among `ok` (9000 unless told otherwise), else raise.

    `what` says what was attempted. 63Cx raises PasswordWrong, 6983 PasswordBlocked, all else CardStatusError.
    """
    sw = response.sw
    if sw in ok:
        return response
    if sw.tries_left is not None:
        raise PasswordWrong(sw, what)
    if sw == StatusWord.BLOCKED:
        raise PasswordBlocked(sw, what)
    raise CardStatusError(sw, what)
