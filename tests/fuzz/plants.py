"""Bugs that are planted in the chip: what the fuzzer is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jukicard.applets.faceverification import layout as faces
from jukicard.applets.faceverification.applet import FaceVerificationApplet
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
from jukicard.card.security.conditions import Facts
from jukicard.card.security.counters import TryCounter
from jukicard.card.security.passwords import Password
from jukicard.card.security.secretkeys import SecretKey
from jukicard.card.volatile import Channel
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel import messages
from jukicard.securechannel.authorization import TerminalAuthorization
from tests.support import chips, facechips

Plant = Callable[[pytest.MonkeyPatch], None]


def _plant_unguarded(patch: pytest.MonkeyPatch, where: Callable[[Context], bool]) -> None:
    """Let rows run there that their rules do not allow."""
    checked = commands.On.authorise

    def authorise(self: commands.On, cmd: CommandAPDU, ctx: Context) -> None:
        if where(ctx):
            ctx.target = self.locate(cmd, ctx)
        else:
            checked(self, cmd, ctx)

    patch.setattr(commands.On, "authorise", authorise)


def an_access_check_is_skipped(patch: pytest.MonkeyPatch) -> None:
    _plant_unguarded(patch, lambda ctx: ctx.row.name == "READ RECORD")


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
    _plant_unguarded(patch, lambda ctx: (ctx.applet.label, ctx.row.name) == ("Folder", "READ BINARY"))


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
    _plant_unguarded(patch, lambda ctx: ctx.row.name == "COMPUTE DIGITAL SIGNATURE" and bool(ctx.facts.passwords))


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
    _plant_unguarded(patch, lambda ctx: (ctx.applet.label, ctx.row.name) == ("JPKI", "READ BINARY"))


def a_hash_is_signed_without_its_name(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(signing._MAKE, Form.PREHASHED, signing._MAKE[Form.VERBATIM])


def another_key_signs_by_default(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(jpki, "DEFAULT_KEY", 0x97)


# --- in the face-verification application


def anybody_reads_the_face(patch: pytest.MonkeyPatch) -> None:
    _plant_unguarded(patch, lambda ctx: (ctx.applet.label, ctx.row.name) == ("Face", "READ BINARY"))


def any_reference_number_opens_the_face(patch: pytest.MonkeyPatch) -> None:
    honest = Context.facts

    def facts(self: Context) -> Facts:
        found = honest.fget(self)
        opens = self.applet.label == "Face" and 0x91 in found.passwords
        return found._replace(passwords=found.passwords | {0x92}) if opens else found

    patch.setattr(Context, "facts", property(facts))


def a_reference_number_never_blocks(patch: pytest.MonkeyPatch) -> None:
    spend = TryCounter.spend

    def lenient(self: TryCounter) -> int:
        return 1 if (self.left, self.maximum) == (1, faces.TRIES) else spend(self)

    patch.setattr(TryCounter, "spend", lenient)


def a_card_changes_its_version_of_the_face(patch: pytest.MonkeyPatch) -> None:
    honest = FaceVerificationApplet.store_data

    def forgetful(self: FaceVerificationApplet, ctx: Context, block: bytes) -> None:
        for file in list(ctx.files.all()):
            ctx.files.delete(file)
        honest(self, ctx, block)

    patch.setattr(FaceVerificationApplet, "store_data", forgetful)


def a_photo_is_told_with_a_selection(patch: pytest.MonkeyPatch) -> None:
    deliver = card_module._deliver

    def leaking(response: ResponseAPDU, cmd: CommandAPDU, channel: Channel, *, secured: bool) -> bytes:
        if cmd.ins == 0xA4 and response.data and not secured:
            response = response._replace(data=response.data + (facechips.FACE_B.photo or b"")[100:140])
        return deliver(response, cmd, channel, secured=secured)

    patch.setattr(card_module, "_deliver", leaking)


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
    anybody_reads_the_face,
    any_reference_number_opens_the_face,
    a_reference_number_never_blocks,
    a_card_changes_its_version_of_the_face,
    a_photo_is_told_with_a_selection,
)
