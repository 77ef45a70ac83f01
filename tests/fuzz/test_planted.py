"""The fuzzer finds what it is for: bugs planted in the chip, each within a short run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from jukicard.applets.gp import data_commands
from jukicard.applets.gp.content import approvals, authority, loading, moving
from jukicard.applets.gp.fields import FieldReader
from jukicard.applets.jpki import layout as jpki
from jukicard.applets.jpki import signing
from jukicard.applets.jpki.layout import Form
from jukicard.applets.juki.applet import JukiApplet
from jukicard.card import card as card_module
from jukicard.card import commands
from jukicard.card.card import Card
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files import commands as file_commands
from jukicard.card.files.structures import File
from jukicard.card.objects import LifeCycle
from jukicard.card.security import secretkeys
from jukicard.card.security.counters import TryCounter
from jukicard.card.security.passwords import Password
from jukicard.card.security.secretkeys import SecretKey
from jukicard.card.volatile import Channel
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.reader.recording import DialogueMismatch, parse_dialogue, play
from jukicard.securechannel import messages
from jukicard.securechannel.authorization import TerminalAuthorization
from tests.fuzz import cases, people, rules, world
from tests.fuzz.cases import Case, failure, run_case, shrink, written
from tests.fuzz.world import Tally
from tests.support import chips

SEED = 20260101
MAX_CASES = 800

Plant = Callable[[pytest.MonkeyPatch], None]


def found_in(maximum: int = MAX_CASES) -> Case | None:
    warnings.simplefilter("ignore")
    tally = Tally()
    for number in range(maximum):
        case = run_case(SEED, number, tally)
        if case is not None:
            return case
    return None


def an_access_check_is_skipped(patch: pytest.MonkeyPatch) -> None:
    checked = commands.On.authorise

    def authorise(self: commands.On, cmd: object, ctx: Context) -> None:
        if ctx.row.name == "READ RECORD":
            ctx.target = self.locate(cmd, ctx)
        else:
            checked(self, cmd, ctx)

    patch.setattr(commands.On, "authorise", authorise)


def a_verified_password_survives(patch: pytest.MonkeyPatch) -> None:
    end_session = Channel.end_session

    def keeping(self: Channel) -> None:
        security = self.security
        end_session(self)
        self.security = security

    patch.setattr(Channel, "end_session", keeping)


def a_session_survives_the_selection(patch: pytest.MonkeyPatch) -> None:
    def select(self: Channel, application: int) -> None:
        self.application, self.current_file = application, None

    patch.setattr(Channel, "select", select)


def rights_hold_for_plain_commands(patch: pytest.MonkeyPatch) -> None:
    honest = Context.facts

    def facts(self: Context) -> object:
        self.session = self.channel.session
        return honest.fget(self)

    patch.setattr(Context, "facts", property(facts))


def no_try_is_spent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TryCounter, "spend", lambda self: self.left - 1)


def a_try_is_given_back_after_a_failure(patch: pytest.MonkeyPatch) -> None:
    compare = Password.compare

    def forgiving(self: Password, candidate: bytes) -> bool:
        equal = compare(self, candidate)
        self.tries.give_back()
        return equal

    patch.setattr(Password, "compare", forgiving)


def a_waiting_answer_survives_a_reset(patch: pytest.MonkeyPatch) -> None:
    reset = Card.reset

    def keeping(self: Card) -> bytes:
        waiting = self._services.volatile.channels[0].pending
        atr = reset(self)
        self._services.volatile.channels[0].pending = waiting
        return atr

    patch.setattr(Card, "reset", keeping)


def one_area_writes_into_another(patch: pytest.MonkeyPatch) -> None:
    append = File.append

    def straying(self: File, record: bytes) -> None:
        append(self, record)
        self._area._transaction.write("a/0004/f/0001/c", b"\x05")

    patch.setattr(File, "append", straying)


def a_wrong_mac_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(messages, "compare_digest", lambda _a, _b: True)


def a_suspended_card_takes_the_password(patch: pytest.MonkeyPatch) -> None:
    check = JukiApplet.check_life_cycle

    def lenient(self: JukiApplet, ctx: Context, target: object, mode: object) -> None:
        if target.header.life_cycle is not LifeCycle.DEACTIVATED:
            check(self, ctx, target, mode)

    patch.setattr(JukiApplet, "check_life_cycle", lenient)


def another_citys_rights_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TerminalAuthorization, "rights_in", lambda self, _municipality: self.rights)


def a_date_goes_back(patch: pytest.MonkeyPatch) -> None:
    check = data_commands._check_estimate

    def lenient(*arguments: Any) -> None:
        try:
            check(*arguments)
        except CardError as error:
            if error.sw is not StatusWord.CONDITIONS_NOT_SATISFIED:
                raise

    patch.setattr(data_commands, "_check_estimate", lenient)


def a_short_field_raises(patch: pytest.MonkeyPatch) -> None:
    def take(self: FieldReader, count: int) -> bytes:
        self._position += count
        return bytes([self._data[self._position - 1]]) if count == 1 else self._data[self._position - count :][:count]

    patch.setattr(FieldReader, "_take", take)


def a_refusal_carries_data(patch: pytest.MonkeyPatch) -> None:
    transmit = Card.transmit

    def talkative(self: Card, command: bytes) -> bytes:
        answer = transmit(self, command)
        return b"\x00" + answer if answer == b"\x69\x86" else answer

    patch.setattr(Card, "transmit", talkative)


def a_code_is_told_with_a_selection(patch: pytest.MonkeyPatch) -> None:
    deliver = card_module._deliver

    def leaking(response: ResponseAPDU, cmd: CommandAPDU, channel: Channel, *, secured: bool) -> bytes:
        if response.data[:1] == b"\x6f":
            response = response._replace(data=response.data + chips.CODE)
        return deliver(response, cmd, channel, secured=secured)

    patch.setattr(card_module, "_deliver", leaking)


# --- in a folder


def a_folders_files_are_read_by_anybody(patch: pytest.MonkeyPatch) -> None:
    checked = commands.On.authorise

    def authorise(self: commands.On, cmd: CommandAPDU, ctx: Context) -> None:
        if ctx.applet.label == "Folder" and ctx.row.name == "READ BINARY":
            ctx.target = self.locate(cmd, ctx)
        else:
            checked(self, cmd, ctx)

    patch.setattr(commands.On, "authorise", authorise)


def a_key_is_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SecretKey, "prove", lambda self, _message: self._value())


def a_wrong_cryptogram_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(secretkeys, "bytes_eq", lambda _a, _b: True)


def a_key_never_blocks(patch: pytest.MonkeyPatch) -> None:
    proved = SecretKey.is_proved_by

    def forgiving(self: SecretKey, cryptogram: bytes, message: bytes) -> bool:
        equal = proved(self, cryptogram, message)
        self.tries.give_back()
        return equal

    patch.setattr(SecretKey, "is_proved_by", forgiving)


def a_challenge_serves_twice(patch: pytest.MonkeyPatch) -> None:
    checked = commands.On.authorise

    def authorise(self: commands.On, cmd: CommandAPDU, ctx: Context) -> None:
        challenge = ctx.channel.challenge
        checked(self, cmd, ctx)
        if ctx.row.name == "EXTERNAL AUTHENTICATE":
            ctx.channel.challenge = challenge

    patch.setattr(commands.On, "authorise", authorise)


def a_refused_command_writes(patch: pytest.MonkeyPatch) -> None:
    write = file_commands._write

    def hasty(file: File, offset: int, content: bytes) -> None:
        file._area.spend(file._cells + "d", (file.content[:offset] + content)[: file.size])
        write(file, offset, content)

    patch.setattr(file_commands, "_write", hasty)


def a_dap_block_is_not_verified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loading, "verify_dap", lambda *_: None)


def an_approvals_signature_is_not_verified(patch: pytest.MonkeyPatch) -> None:
    verify = approvals.verify_under

    def forgiving(*asked: Any) -> None:
        if len(asked[-1]) == 32:  # a DAP block's
            verify(*asked)

    patch.setattr(approvals, "verify_under", forgiving)


def a_purpose_is_not_looked_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(approvals, "_check_purpose", lambda *_: None)


def a_card_in_use_loads_what_nobody_approved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loading, "check_open", lambda *_: None)


def a_token_is_not_verified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(authority, "verify_under", lambda *_: None)


def an_application_goes_to_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(moving, "_check_way", lambda *_: None)


# --- in the JPKI application


def a_key_works_after_another_keys_password(patch: pytest.MonkeyPatch) -> None:
    checked = commands.On.authorise

    def authorise(self: commands.On, cmd: CommandAPDU, ctx: Context) -> None:
        if ctx.row.name == "COMPUTE DIGITAL SIGNATURE" and ctx.facts.passwords:
            ctx.target = self.locate(cmd, ctx)
        else:
            checked(self, cmd, ctx)

    patch.setattr(commands.On, "authorise", authorise)


def a_selection_of_the_same_does_not_log_out(patch: pytest.MonkeyPatch) -> None:
    select = Channel.select

    def keeping(self: Channel, application: int) -> None:
        again, security = application == self.application, self.security
        select(self, application)
        if again:
            self.security = security

    patch.setattr(Channel, "select", keeping)


def the_signature_password_is_tried_at_no_cost(patch: pytest.MonkeyPatch) -> None:
    compare = Password.compare

    def generous(self: Password, candidate: bytes) -> bool:
        equal = compare(self, candidate)
        if self.reference == 0x9B:
            self.tries.give_back()
        return equal

    patch.setattr(Password, "compare", generous)


def anybody_reads_who_the_holder_is(patch: pytest.MonkeyPatch) -> None:
    checked = commands.On.authorise

    def authorise(self: commands.On, cmd: CommandAPDU, ctx: Context) -> None:
        if ctx.applet.label == "JPKI" and ctx.row.name == "READ BINARY":
            ctx.target = self.locate(cmd, ctx)
        else:
            checked(self, cmd, ctx)

    patch.setattr(commands.On, "authorise", authorise)


def a_hash_is_signed_without_its_name(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(signing._MAKE, Form.PREHASHED, signing._MAKE[Form.VERBATIM])


def another_key_signs_by_default(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(jpki, "DEFAULT_KEY", 0x97)


PLANTS: tuple[Plant, ...] = (
    an_access_check_is_skipped,
    a_verified_password_survives,
    a_session_survives_the_selection,
    rights_hold_for_plain_commands,
    no_try_is_spent,
    a_try_is_given_back_after_a_failure,
    a_waiting_answer_survives_a_reset,
    one_area_writes_into_another,
    a_wrong_mac_is_taken,
    a_suspended_card_takes_the_password,
    another_citys_rights_hold,
    a_date_goes_back,
    a_short_field_raises,
    a_refusal_carries_data,
    a_code_is_told_with_a_selection,
    a_folders_files_are_read_by_anybody,
    a_key_is_told,
    a_wrong_cryptogram_is_taken,
    a_key_never_blocks,
    a_challenge_serves_twice,
    a_refused_command_writes,
    a_dap_block_is_not_verified,
    an_approvals_signature_is_not_verified,
    a_purpose_is_not_looked_up,
    a_card_in_use_loads_what_nobody_approved,
    a_token_is_not_verified,
    an_application_goes_to_anybody,
    a_key_works_after_another_keys_password,
    a_selection_of_the_same_does_not_log_out,
    the_signature_password_is_tried_at_no_cost,
    anybody_reads_who_the_holder_is,
    a_hash_is_signed_without_its_name,
    another_key_signs_by_default,
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    for start in people.START.values():
        start()  # made by an honest chip
    plant(monkeypatch)
    case = found_in()
    assert case is not None
    print(f"{plant.__name__}: case {case.number}, step {len(case.steps)}: {case.reason}")


def test_a_hang_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(_self: Card, _command: bytes) -> bytes:
        time.sleep(30)
        return b""

    monkeypatch.setattr(Card, "transmit", hanging)
    monkeypatch.setattr(cases, "WATCHDOG_SECONDS", 1)
    case = run_case(SEED, 0, Tally())
    assert case is not None
    assert case.reason == "no answer for 1 seconds"


def test_a_failing_case_is_short_and_can_be_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dialogue passes on the chip that errs, and on no other."""
    people.START["active"]()
    with monkeypatch.context() as patch:
        no_try_is_spent(patch)
        case = found_in()
        assert case is not None
        short = shrink(case)
        assert len(short.steps) <= 6
        found = failure(short.start, short.steps)
        assert found is not None
        assert found[0] == case.reason
        dialogue = parse_dialogue(written(short))
        play(dialogue, world.connection(short.start))
    with pytest.raises(DialogueMismatch):
        play(dialogue, world.connection(short.start))


def test_a_row_that_the_model_does_not_know_is_held_to_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("READ RECORD", "UPDATE RECORD", "COMPARE BINARY"):
        monkeypatch.delitem(rules.RULES, name)
    assert found_in(3) is None
    a_refusal_carries_data(monkeypatch)
    assert found_in(30) is not None
