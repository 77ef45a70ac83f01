"""What an active Juki card must answer, said a second time and as simply as can be: a model to test the chip against.

It is written from the card profile (sections 4 and 5) and imports nothing of the card's code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

OK, FAILED = 0x9000, 0x6581
TRIES, MATCH_TRIES = 3, 5
SCP03, SCP11A, SCP11B = 0x01, 0x11, 0x13
IDENTIFY, RESET_PASSWORD, SUSPEND, RESUME, MATCH = 0, 2, 3, 4, 7


@dataclass
class ModelSession:
    """A secure channel session: who opened it, what it may, how it protects, what was proved in it."""

    kid: int
    rights: frozenset[int] = frozenset()
    encrypts: bool = True
    verified: bool = False

    @property
    def may_touch_the_password(self) -> bool:
        return self.kid in (SCP03, SCP11A) and self.encrypts


@dataclass
class CardModel:
    """The Juki application of one card that was handed over."""

    password: bytes
    code: bytes
    tries: int = TRIES
    match_tries: int = MATCH_TRIES
    suspended: bool = False
    selected: bool = False
    session: ModelSession | None = None
    commits_until_cut: int | None = field(default=None)

    # volatile

    def lose_power(self) -> None:
        self.selected, self.session, self.commits_until_cut = False, None, None

    def select(self, *, juki: bool) -> None:
        self.selected, self.session = juki, None

    def open(self, session: ModelSession | None) -> None:
        self.session = session

    # durable

    def _commit(self) -> bool:
        """Whether the power lasts for one more write."""
        if self.commits_until_cut is None:
            return True
        self.commits_until_cut -= 1
        if self.commits_until_cut >= 0:
            return True
        self.lose_power()
        return False

    def _guess(self, guess: bytes, used: ModelSession) -> int:
        """Compare a password: the try goes first."""
        used.verified = False
        if self.tries == 0:
            return 0x6983
        if len(guess) != len(self.password):
            return 0x6A80
        if not self._commit():
            return FAILED
        self.tries -= 1
        return OK if guess == self.password else 0x63C0 | self.tries

    # commands; `used` is the session that they come in, or None in the clear

    def verify(self, guess: bytes, used: ModelSession | None) -> int:
        if not guess:
            return 0x63C0 | self.tries
        if self.suspended:
            return 0x6985
        if used is None or not used.may_touch_the_password:
            return 0x6982
        answer = self._guess(guess, used)
        if answer == OK:
            if not self._commit():
                return FAILED
            self.tries, used.verified = TRIES, True
        return answer

    def change(self, old: bytes, new: bytes, used: ModelSession | None) -> int:
        if self.suspended:
            return 0x6985
        if used is None or not used.may_touch_the_password:
            return 0x6982
        used.verified = False
        if self.tries and not (len(new) == len(self.password) and new.isdigit()):
            return 0x6A80
        answer = self._guess(old, used)
        if answer == OK:
            if not self._commit():
                return FAILED
            self.tries, self.password = TRIES, new
        return answer

    def reset_counter(self, new: bytes, used: ModelSession | None) -> int:
        if self.suspended:
            return 0x6985
        if used is None or RESET_PASSWORD not in used.rights:
            return 0x6982
        used.verified = False
        if new and not (len(new) == len(self.password) and new.isdigit()):
            return 0x6A80
        if not self._commit():
            return FAILED
        self.tries, self.password = TRIES, new or self.password
        return OK

    def suspend(self, used: ModelSession | None) -> int:
        if self.suspended:
            return 0x6985
        if used is None or SUSPEND not in used.rights:
            return 0x6982
        if not self._commit():
            return FAILED
        self.suspended, used.verified = True, False
        return OK

    def resume(self, used: ModelSession | None) -> int:
        if used is None or RESUME not in used.rights:
            return 0x6982
        if not self.suspended:
            return 0x6985
        if not self._commit():
            return FAILED
        self.suspended = False
        return OK

    def match(self, guess: bytes, used: ModelSession | None) -> int:
        if self.suspended:
            return 0x6985
        if used is None or MATCH not in used.rights:
            return 0x6982
        if len(guess) != len(self.code):
            return 0x6700
        if self.match_tries == 0:
            return 0x6983
        if not self._commit():
            return FAILED
        self.match_tries -= 1
        if guess != self.code:
            return 0x63C0 | self.match_tries
        if not self._commit():
            return FAILED
        self.match_tries = MATCH_TRIES
        return OK

    def read_code(self, used: ModelSession | None) -> int:
        if self.suspended:
            return 0x6985
        readable = used is not None and IDENTIFY in used.rights and used.verified
        return OK if readable else 0x6982
