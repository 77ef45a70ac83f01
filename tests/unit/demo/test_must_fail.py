"""The demo's judgement: what must fail has to fail, at its step, with its status word, for its reason."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from jukicard.commands.demo.desk import ChipWords, Desk, Refusal
from jukicard.commands.demo.errors import StoryBroken
from jukicard.commands.demo.narrator import Narrator, columns
from jukicard.iso7816.errors import AuthenticationFailed, CardRemoved, CardStatusError, PasswordWrong
from jukicard.iso7816.status import StatusWord
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.trace import Trace
from tests.support.null_card import NullCard

EXPECTED = Refusal("VERIFY", 0x6982, "not met")


class Stage:
    """A narrator, and a desk whose chip says what a test has it say."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.written = io.StringIO()
        self.narrator = Narrator(self.told.append, self.written)
        self.narrator.chapter("A chapter")
        self.chip = ChipWords()
        self.desk = Desk(EmulatorConnection(NullCard()), self.chip, Trace(lambda line: None))

    def card_refuses(self, error: Exception, sw: int, reason: str = "") -> Callable[[], None]:
        def attempt() -> None:
            if reason:
                self.chip.refusal(reason)
            self.chip.exchange(b"", sw.to_bytes(2))
            raise error

        return attempt

    def must_fail(self, attempt: Callable[[], object], expected: Refusal = EXPECTED) -> None:
        self.desk.must_fail(self.narrator, "An attempt", attempt, expected)


def _refused(sw: int = 0x6982, what: str = "VERIFY") -> CardStatusError:
    return CardStatusError(StatusWord(sw), what)


def test_the_expected_refusal_is_told() -> None:
    stage = Stage()
    stage.must_fail(stage.card_refuses(_refused(), 0x6982, "the rule is not met"))
    stage.narrator.table()
    assert "      reason: the rule is not met" in stage.told
    assert stage.told[-1] == "1.1   An attempt  refused by the card at: VERIFY (6982)"


def test_success_breaks_the_story() -> None:
    with pytest.raises(StoryBroken, match=r"step 1\.1: this must fail, and it succeeded"):
        Stage().must_fail(lambda: None)


@pytest.mark.parametrize(
    ("sw", "what", "reason"),
    [
        (0x6982, "READ BINARY", "the rule is not met"),
        (0x6985, "VERIFY", "the rule is not met"),
        (0x6982, "VERIFY", "the card has expired"),
    ],
    ids=["another step", "another status word", "another reason"],
)
def test_another_refusal_breaks_the_story(sw: int, what: str, reason: str) -> None:
    stage = Stage()
    with pytest.raises(StoryBroken):
        stage.must_fail(stage.card_refuses(_refused(sw, what), sw, reason))


def test_it_matters_who_refuses() -> None:
    """A terminal that refuses by itself, after the card has answered with success, is not the card refusing."""
    stage = Stage()
    attempt = stage.card_refuses(AuthenticationFailed("VERIFY", "not met"), 0x9000)
    with pytest.raises(StoryBroken):
        stage.must_fail(attempt)
    stage.must_fail(attempt, Refusal("VERIFY", None, "not met"))


def test_an_earlier_refusal_of_the_chip_is_forgotten() -> None:
    stage = Stage()
    stage.chip.refusal("no such object")
    stage.chip.exchange(b"", b"\x6a\x88")
    stage.chip.exchange(b"", b"\x90\x00")
    assert stage.desk.refusal_of(stage.card_refuses(AuthenticationFailed("receipt", "wrong"), 0x9000)) == Refusal(
        "receipt", None, "wrong"
    )


def test_a_wrong_password_is_a_refusal_with_the_tries_as_its_reason() -> None:
    stage = Stage()
    attempt = stage.card_refuses(PasswordWrong(StatusWord(0x63C2), "VERIFY"), 0x63C2)
    stage.must_fail(attempt, Refusal("VERIFY", 0x63C2, "2 tries left"))


def test_a_failing_reader_is_no_refusal() -> None:
    stage = Stage()
    with pytest.raises(CardRemoved):
        stage.must_fail(stage.card_refuses(CardRemoved("gone"), 0x6982))


def test_a_proof_that_does_not_hold_breaks_the_story() -> None:
    stage = Stage()
    stage.narrator.step("A step")
    with pytest.raises(StoryBroken, match="this does not hold: two is three"):
        stage.narrator.proof("two is three", holds=False)


def test_a_secret_is_spoken_and_not_written() -> None:
    stage = Stage()
    stage.narrator.reveal("it is {}", "secret", "******")
    assert stage.told[-1] == "      it is secret"
    assert stage.written.getvalue().endswith("it is ******\n")


def test_full_width_characters_take_two_columns() -> None:
    assert columns("見本 city") == 9
