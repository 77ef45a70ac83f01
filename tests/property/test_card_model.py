"""The password, the session and the rights of a Juki card against a model, through resets, power cuts and attacks."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.host import SecureConnection
from tests.support import chips
from tests.support.card_model import FAILED, OK, SCP03, SCP11A, SCP11B, CardModel, ModelSession
from tests.support.chains import private_key
from tests.support.chips import CODE, PASSWORD, WRONG_PASSWORD, Chip, say, terminal

USED_RIGHTS = (Right.IDENTIFY, Right.RESET_PASSWORD, Right.SUSPEND, Right.RESUME, Right.MATCH)
passwords = st.sampled_from([PASSWORD, PASSWORD, WRONG_PASSWORD, b"1111", b"", b"12", b"12345", b"12a4"])
new_passwords = st.sampled_from([PASSWORD, b"1111", b"12a4", b"\0\0\0\0"])
mostly_true = st.sampled_from([True, True, True, False])
some_rights = st.one_of(st.just(frozenset(USED_RIGHTS)), st.frozensets(st.sampled_from(USED_RIGHTS)))
in_session = st.sampled_from([True, True, True, False])


class ActiveCard(RuleBasedStateMachine):
    """Random walks over one card and its model."""

    @initialize()
    def hand_over(self) -> None:
        self.issued = chips.active()
        self.chip = self.issued.chip()
        self.model = CardModel(PASSWORD, CODE)
        self.session: SecureConnection | None = None
        self.stale: SecureConnection | None = None
        self._select(chips.JUKI)

    # power and selection

    def _lost(self) -> None:
        self._keep_stale()
        self.model.lose_power()
        self.chip.store.cut = lambda _number: False

    def _keep_stale(self) -> None:
        if self.session is not None:
            self.stale = self.session
        self.session = None

    @rule(happens=st.sampled_from(["reset", "other reader", "juki again", "library", "issuer"]), then_juki=mostly_true)
    def change_the_world(self, happens: str, then_juki: bool) -> None:
        """Take the session's ground away: power, reader, selection."""
        if happens in ("reset", "other reader"):
            if happens == "reset":
                self.chip.reset()
            else:
                self.chip = Chip(self.chip.cells, len(self.chip.exchanges))
            self._lost()
            if happens == "other reader":
                self.stale = None  # it talks to the chip object before
        elif happens != "juki again":
            self._select(chips.LIBRARY if happens == "library" else chips.ISSUER)
        if then_juki:
            self._select(chips.JUKI)

    def _select(self, aid: chips.AID) -> None:
        assert self.chip.select(aid).sw == OK
        self._keep_stale()
        self.model.select(juki=aid == chips.JUKI)

    @rule(command=st.sampled_from(["00A4040005F0F0F0F0F0", "00A4040105", "00A4000C023F00", "0084000008", "80CA006600"]))
    def do_something_without_consequences(self, command: str) -> None:
        self.chip.ask(command)

    # sessions

    def _open(self, session: SecureConnection | None, model: ModelSession | None) -> None:
        self._keep_stale()
        self.session = session
        self.model.open(model)

    @precondition(lambda self: self.model.selected)
    @rule(
        rights=st.one_of(st.just(frozenset(USED_RIGHTS)), st.frozensets(st.sampled_from(USED_RIGHTS))),
        known=mostly_true,
    )
    def open_scp11a(self, rights: frozenset[Right], known: bool) -> None:
        """A terminal comes; `known`: its user knows the password."""
        session = self.chip.scp11a(terminal(*sorted(rights)), self.issued.juki_11a)
        self._open(session, ModelSession(SCP11A, frozenset(map(int, rights))))
        if known:
            self.verify(self.model.password, wanted=True)

    @precondition(lambda self: self.model.selected and self.model.commits_until_cut is None)
    @rule(kind=st.sampled_from(["scp11b", 0x01, 0x03, 0x13, 0x33, "unfinished", "false certificate"]))
    def open_something_else(self, kind: str | int) -> None:
        if isinstance(kind, int):
            session = self.chip.scp03(chips.JUKI_KEYS, kind)
            self._open(session, ModelSession(SCP03, encrypts=bool(kind & 0x02)))
        elif kind == "scp11b":
            self._open(self.chip.scp11b(self.issued.juki_11b), ModelSession(SCP11B))
        elif kind == "unfinished":
            assert self.chip.ask("80500000080000000000000000").sw == OK
            self._open(None, None)
        else:
            with pytest.raises(AuthenticationFailed, match="terminal certificate"):
                self.chip.scp11a(terminal(*USED_RIGHTS, root=private_key(9)), self.issued.juki_11a)
            self._open(None, None)

    @precondition(lambda self: self.session is not None)
    @rule(cla=st.sampled_from([0x04, 0x84]), replay=st.booleans())
    def attack_the_session(self, cla: int, replay: bool) -> None:
        """Forge a message, or send an old one again: the session ends, and a second attempt finds none."""
        forged = bytes((cla, 0xB0, 0x81, 0x00, 0x08)) + bytes(8)
        old = next((command for command, _ in reversed(self.chip.exchanges) if command[0] & 0x04), forged)
        message = old if replay and old[1] != 0x82 else forged
        assert self.chip.ask(message).sw == 0x6988
        assert self.chip.ask(message).sw == 0x6982
        self._open(None, None)

    @precondition(lambda self: self.model.selected and self.session is None and self.stale is not None)
    @rule()
    def use_a_session_that_is_over(self) -> None:
        with contextlib.suppress(AuthenticationFailed):  # the host may know that it is over
            assert chips.read_code(self.stale).sw == 0x6982

    # commands, in the session or beside it

    def _way(self, wanted: bool) -> tuple[CardConnection, ModelSession | None]:
        if wanted and self.session is not None:
            return self.session, self.model.session
        return self.chip, None

    def _check(self, answer: int, expected: int) -> None:
        assert answer == expected, f"{answer:04X}, and the model says {expected:04X}"
        if expected == FAILED:
            self._lost()

    @precondition(lambda self: self.model.selected and self.model.commits_until_cut is None)
    @rule(writes=st.integers(0, 1))
    def the_power_will_fail(self, writes: int) -> None:
        self.model.commits_until_cut = writes
        last = len(self.chip.store.commits) + writes
        self.chip.store.cut = lambda number: number >= last

    @precondition(lambda self: self.model.selected)
    @rule(guess=passwords, wanted=in_session)
    def verify(self, guess: bytes, wanted: bool) -> None:
        connection, used = self._way(wanted)
        self._check(say(connection, 0, 0x20, 0, 0x81, guess).sw, self.model.verify(guess, used))

    @precondition(lambda self: self.model.selected and self.session is not None)
    @rule()
    def verify_the_right_one(self) -> None:
        self.verify(self.model.password, wanted=True)

    @precondition(lambda self: self.model.selected)
    @rule(old=st.sampled_from([PASSWORD, WRONG_PASSWORD, b"1111"]), new=new_passwords, wanted=in_session)
    def change(self, old: bytes, new: bytes, wanted: bool) -> None:
        connection, used = self._way(wanted)
        self._check(say(connection, 0, 0x24, 0, 0x81, old + new).sw, self.model.change(old, new, used))

    @precondition(lambda self: self.model.selected)
    @rule(new=st.one_of(st.just(b""), new_passwords), wanted=in_session)
    def reset_counter(self, new: bytes, wanted: bool) -> None:
        connection, used = self._way(wanted)
        answer = say(connection, 0, 0x2C, 2 if new else 3, 0x81, new).sw
        self._check(answer, self.model.reset_counter(new, used))

    @precondition(lambda self: self.model.selected)
    @rule(suspending=st.booleans(), wanted=in_session, and_back=mostly_true)
    def suspend_or_resume(self, suspending: bool, wanted: bool, and_back: bool) -> None:
        self._move(suspending, wanted)
        if and_back and self.model.selected:
            self._move(not suspending, wanted)

    def _move(self, suspending: bool, wanted: bool) -> None:
        connection, used = self._way(wanted)
        expected = (self.model.suspend if suspending else self.model.resume)(used)
        self._check(say(connection, 0, 0x04 if suspending else 0x44).sw, expected)

    @precondition(lambda self: self.model.selected)
    @rule(guess=st.sampled_from([CODE, CODE, b"12345678911", b"1"]), wanted=in_session)
    def match(self, guess: bytes, wanted: bool) -> None:
        connection, used = self._way(wanted)
        self._check(say(connection, 0, 0x33, 0x81, 0, guess).sw, self.model.match(guess, used))

    # after every step

    @invariant()
    def the_code_is_readable_exactly_when_the_model_says_so(self) -> None:
        if self.model.selected:
            for wanted in (True, False):
                connection, used = self._way(wanted)
                answer = chips.read_code(connection)
                assert answer.sw == self.model.read_code(used)
                assert answer.data == (CODE if answer.sw == OK else b"")

    @invariant()
    def whoever_asks_learns_the_tries_and_the_code_is_never_in_the_clear(self) -> None:
        if self.model.selected:
            assert self.chip.ask("00200081").sw == 0x63C0 | self.model.tries
        assert not any(CODE in answer for _, answer in self.chip.exchanges[-4:])


TestActiveCard = ActiveCard.TestCase
TestActiveCard.settings = settings(stateful_step_count=60)
