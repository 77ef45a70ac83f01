"""The password, the session and the rights of a Juki card against a model, through resets, power cuts and attacks."""

from __future__ import annotations

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
in_session = st.sampled_from([True, True, True, False])


class ActiveCard(RuleBasedStateMachine):
    """Random walks over one card and its model."""

    @initialize()
    def hand_over(self) -> None:
        self.issued = chips.active()
        self.chip = self.issued.chip()
        self.model = CardModel(PASSWORD, CODE)
        self.session: SecureConnection | None = None

    # power and selection

    @rule()
    def reset(self) -> None:
        self.chip.reset()
        self._lost()

    @rule()
    def move_to_another_reader(self) -> None:
        self.chip = Chip(self.chip.cells, len(self.chip.exchanges))
        self._lost()

    def _lost(self) -> None:
        self.session = None
        self.model.lose_power()
        self.chip.store.cut = lambda _number: False

    @rule()
    def select_juki(self) -> None:
        assert self.chip.select(chips.JUKI).sw == OK
        self.session = None
        self.model.select(juki=True)

    @rule(aid=st.sampled_from([chips.ISSUER, chips.LIBRARY]))
    def select_another(self, aid: chips.AID) -> None:
        assert self.chip.select(aid).sw == OK
        self.session = None
        self.model.select(juki=False)

    @rule(command=st.sampled_from(["00A4040005F0F0F0F0F0", "00A4040105", "00A4000C023F00", "0084000008", "80CA006600"]))
    def do_something_without_consequences(self, command: str) -> None:
        self.chip.ask(command)

    @precondition(lambda self: self.model.selected)
    @rule()
    def select_the_code_file(self) -> None:
        assert self.chip.ask("00A4020C020001").sw == OK

    # sessions

    def _open(self, session: SecureConnection | None, model: ModelSession | None) -> None:
        self.session = session
        self.model.open(model)

    @precondition(lambda self: self.model.selected)
    @rule(rights=st.frozensets(st.sampled_from(USED_RIGHTS)))
    def open_scp11a(self, rights: frozenset[Right]) -> None:
        key = terminal(*sorted(rights))
        session = self.chip.scp11a(key, self.issued.juki_11a)
        self._open(session, ModelSession(SCP11A, frozenset(map(int, rights))))

    @precondition(lambda self: self.model.selected)
    @rule()
    def open_with_every_right(self) -> None:
        self.open_scp11a(frozenset(USED_RIGHTS))

    @precondition(lambda self: self.model.selected)
    @rule()
    def open_scp11b(self) -> None:
        self._open(self.chip.scp11b(self.issued.juki_11b), ModelSession(SCP11B))

    @precondition(lambda self: self.model.selected and self.model.commits_until_cut is None)
    @rule(level=st.sampled_from([0x01, 0x03, 0x11, 0x13, 0x33]))
    def open_scp03(self, level: int) -> None:
        session = self.chip.scp03(chips.JUKI_KEYS, level)
        self._open(session, ModelSession(SCP03, encrypts=bool(level & 0x02)))

    @precondition(lambda self: self.model.selected and self.model.commits_until_cut is None)
    @rule()
    def begin_a_handshake_and_leave_it(self) -> None:
        assert self.chip.ask("80500000080000000000000000").sw == OK
        self._open(None, None)

    @precondition(lambda self: self.model.selected)
    @rule()
    def show_a_false_certificate(self) -> None:
        with pytest.raises(AuthenticationFailed, match="terminal certificate"):
            self.chip.scp11a(terminal(*USED_RIGHTS, root=private_key(9)), self.issued.juki_11a)
        self._open(None, None)

    @precondition(lambda self: self.session is not None)
    @rule(cla=st.sampled_from([0x04, 0x84]))
    def forge_a_message(self, cla: int) -> None:
        assert self.chip.ask(bytes((cla, 0xB0, 0x81, 0x00, 0x08)) + bytes(8)).sw == 0x6988
        self._open(None, None)

    @precondition(lambda self: self.session is not None)
    @rule()
    def replay_the_last_message(self) -> None:
        command, _ = self.chip.exchanges[-1]
        if command[0] & 0x04 and command[1] != 0x82:
            assert self.chip.ask(command).sw == 0x6988
            self._open(None, None)

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
    @rule(wanted=in_session)
    def suspend(self, wanted: bool) -> None:
        connection, used = self._way(wanted)
        self._check(say(connection, 0, 0x04).sw, self.model.suspend(used))

    @precondition(lambda self: self.model.selected)
    @rule(wanted=in_session)
    def resume(self, wanted: bool) -> None:
        connection, used = self._way(wanted)
        self._check(say(connection, 0, 0x44).sw, self.model.resume(used))

    @precondition(lambda self: self.model.selected)
    @rule(guess=st.sampled_from([CODE, CODE, b"12345678911", b"1"]), wanted=in_session)
    def match(self, guess: bytes, wanted: bool) -> None:
        connection, used = self._way(wanted)
        self._check(say(connection, 0, 0x33, 0x81, 0, guess).sw, self.model.match(guess, used))

    @precondition(lambda self: self.model.selected)
    @rule(wanted=in_session)
    def read_code(self, wanted: bool) -> None:
        connection, used = self._way(wanted)
        answer = chips.read_code(connection)
        self._check(answer.sw, self.model.read_code(used))
        assert answer.data == (CODE if answer.sw == OK else b"")

    # after every step

    @invariant()
    def whoever_asks_in_the_clear_learns_the_tries_and_never_the_code(self) -> None:
        if self.model.selected:
            assert self.chip.ask("00200081").sw == 0x63C0 | self.model.tries
            assert self.chip.ask("00B0810000").sw in (0x6982, 0x6985)
        assert not any(CODE in answer for _, answer in self.chip.exchanges[-3:])


TestActiveCard = ActiveCard.TestCase
TestActiveCard.settings = settings(stateful_step_count=40)
