"""An operator who is logged in: by card and password, for a while, with what the card's certificate permits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from jukicard.applets.operator.client import OperatorClient
from jukicard.applets.operator.records import OperatorState
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import CardStatusError, HostError, TransportError
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.permissions import FOUR_EYES, Permission
from jukicard.issuer.errors import OperatorNeeded, OperatorRefused, OperatorSessionEnded
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.operators.dialogue import open_as_terminal
from jukicard.issuer.operators.register import Operator, Operators

Clock = Callable[[], datetime]
R = TypeVar("R")

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
"""After so long without use, and after so long in all, an operator logs in again."""
CHALLENGE_SIZE = 32
_LOGIN = b"jukicard operator login 1\x00"


class OperatorSession:
    """An operator's session (ledger.chain.EntrySigner).  Made by `login`; it ends by time, `close`, or the card's
    removal, and everything but `close` and the facts then raises OperatorSessionEnded.
    """

    def __init__(self, client: OperatorClient, operator: Operator, clock: Clock) -> None:
        self.operator = operator
        self._client = client
        self._clock = clock
        self._begun = self._used = clock()
        self._ended: str | None = None

    def __repr__(self) -> str:
        return f"OperatorSession({self.actor})"

    @property
    def actor(self) -> str:
        """The serial of the operator's card, 15 digits."""
        return self.operator.serial

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the operator may do."""
        return self.operator.permissions

    def require(self, permission: Permission) -> None:
        """Refuse what the operator may not do (OperatorRefused), or not alone (OperatorNeeded)."""
        if permission in FOUR_EYES:
            raise OperatorNeeded(f"{permission} takes two operators")
        self.check(permission)

    def check(self, permission: Permission) -> None:
        """Refuse (OperatorRefused) what the operator may not do, alone or with another."""
        self.use()
        if permission not in self.permissions:
            raise OperatorRefused(f"operator {self.actor} has no permission {permission}")

    def sign(self, message: bytes) -> bytes:
        """Have the card sign a message: ECDSA (P-256) with SHA-256, DER."""
        signature = self._through_card(lambda: self._client.sign(message, self.operator.public_key))
        return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))

    def change_password(self, new: str) -> None:
        """Give the card a new password (6 to 16 printable ASCII characters), and log in with it."""

        def change() -> None:
            self._client.set_password(new)
            self._client.verify_password(new)

        self._through_card(change)

    def close(self) -> None:
        """End the session."""
        self._ended = self._ended or "it was closed"

    def use(self) -> None:
        """Go on with the session, if it is not over."""
        now = self._clock()
        if now - self._used >= IDLE:
            self._end(f"nothing was done for {IDLE.seconds // 60} minutes")
        if now - self._begun >= LONGEST:
            self._end(f"it lasted {LONGEST.seconds // 3600} hours")
        if self._ended is not None:
            raise OperatorSessionEnded(f"the session of operator {self.actor} is over: {self._ended}; log in again")
        self._used = now

    def _end(self, reason: str) -> None:
        self._ended = self._ended or reason

    def _through_card(self, action: Callable[[], R]) -> R:
        """Do something with the card; whatever goes wrong there ends the session."""
        self.use()
        try:
            with self._client.base.transaction():
                return action()
        except TransportError as error:
            self._end("the card is gone")
            raise OperatorSessionEnded(f"the session of operator {self.actor} is over: the card is gone") from error
        except CardStatusError as error:
            self._end("the card refused")
            raise OperatorSessionEnded(f"the session of operator {self.actor} is over: {error}") from error
        except HostError:
            self._end("the card deviated")
            raise


def login(
    authority: Authority, connection: CardConnection, random: Randomness, clock: Clock, password: Callable[[], str]
) -> OperatorSession:
    """Log an operator in at the authority's counter terminal, with the card behind a connection.

    The card proves itself (certificates under the national root, its channel key), is one of the register's and counts
    today; only then `password` is asked for, which the card verifies in the channel; then it signs a fresh challenge.
    OperatorRefused, AuthenticationFailed, PasswordWrong, PasswordBlocked, TransportError.
    """
    today = clock().astimezone().date()
    client = OperatorClient(standard(connection))
    with connection.transaction():
        shown = open_as_terminal(client, authority, random, today=today)
        entered = Operators(authority).operator(shown.serial)
        if entered.certificates != shown.certificates:
            raise OperatorRefused(f"operator's card {shown.serial} has other certificates than the register")
        if not entered.counts_on(today):
            why = "revoked" if entered.revoked else f"valid from {entered.not_before} to {entered.not_after}"
            raise OperatorRefused(f"operator's card {entered.serial} is {why}")
        state = client.status()
        if state is not OperatorState.ACTIVE:
            raise OperatorRefused(f"operator's card {entered.serial} is {state.label}")
        client.verify_password(password())
        client.sign(_LOGIN + random(CHALLENGE_SIZE), entered.public_key)
    return OperatorSession(client, entered, clock)


@dataclass(frozen=True, slots=True)
class FourEyes:
    """Two operators, for what nobody does alone; entries are the first one's.  OperatorRefused for one card twice."""

    first: OperatorSession
    second: OperatorSession

    def __post_init__(self) -> None:
        """Refuse the same operator twice."""
        if self.first.actor == self.second.actor:
            raise OperatorRefused(f"operator {self.first.actor} is one operator, and this takes two")

    @property
    def actor(self) -> str:
        """The first operator."""
        return self.first.actor

    def require(self, permission: Permission) -> None:
        """Refuse (OperatorRefused) what either of them may not do."""
        self.first.check(permission)
        self.second.check(permission)

    def sign(self, message: bytes) -> bytes:
        """Have the first one's card sign, while the second is there as well."""
        self.second.use()
        return self.first.sign(message)


Attendance = OperatorSession | FourEyes
"""Who is there."""
