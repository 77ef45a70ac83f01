from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.iso7816.connection import CardConnection
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.recording import (
    Dialogue,
    DialogueError,
    DialogueMismatch,
    Exchange,
    Open,
    Pattern,
    Recorder,
    ReplayConnection,
    ReplayError,
    Reset,
    format_dialogue,
    parse_dialogue,
    play,
)
from jukicard.securechannel.host import StaticKeyring, open_scp03
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from tests.support import chips
from tests.support.null_card import ATR, COUNT, SELECT_ISD, NullCard

TEXT = """\
# A comment.
reset 3B *
> 00 A4 04 00 08
  A000000151000000   # the issuer's domain
< 90 00

> 80EC000001
< .. 90 00
> 0084000008
< * 90 00
"""


def test_a_dialogue_is_parsed() -> None:
    assert parse_dialogue(TEXT, "tour") == Dialogue(
        "tour",
        (
            Reset(Pattern(("3B", "*")), 2),
            Exchange(SELECT_ISD, Pattern(("90", "00")), 3),
            Exchange(COUNT, Pattern(("..", "90", "00")), 7),
            Exchange(bytes.fromhex("0084000008"), Pattern(("*", "90", "00")), 9),
        ),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("> 00 A4\n> 00 A4\n", "d, line 2: .*must follow"),
        ("> 00 A4\nreset\n< 90 00\n", "d, line 2: .*must follow"),
        ("\n> 00 A4\n", "d, line 2: .*no answer"),
        ("< 90 00\n", "d, line 1: .*without a command"),
        ("> 00 .. 04\n< 90 00\n", "d, line 1: .*without wildcards"),
        (">\n< 90 00\n", "d, line 1: .*at least one"),
        ("> 00 A4\n<\n", "d, line 2: .*status word"),
        ("> 00 A4\n< 90 0\n", "d, line 2: '0' is neither"),
        ("> 00 A4\n< 9G 00\n", "d, line 2: '9G' is neither"),
        ("> 00 A4\n< . 90 00\n", r"d, line 2: '\.' is neither"),
        ("  00 A4\n", "d, line 1: .*continues another"),
        ("resets\n", "d, line 1: a line begins with"),
        ("00 A4 04 00\n", "d, line 1: a line begins with"),
    ],
)
def test_a_faulty_dialogue_names_its_line(text: str, complaint: str) -> None:
    with pytest.raises(DialogueError, match=complaint):
        parse_dialogue(text, "d")


@pytest.mark.parametrize(
    ("pattern", "data", "fits"),
    [
        ("90 00", "9000", True),
        ("90 00", "019000", False),
        (".. 90 00", "019000", True),
        (".. 90 00", "9000", False),
        (".. 90 00", "0A9000", True),  # a line feed is a byte as any other
        ("* 90 00", "9000", True),
        ("* 90 00", "0A0A9000", True),
        ("6F * 84 02 .. 01 * 90 00", "6F0084023F01779000", True),
        ("6F * 84 02 .. 01 * 90 00", "6F0084023F02779000", False),
        ("2E 2E", "2E2E", True),  # 2E is the full stop of regular expressions
        ("2E 2E", "2F2E", False),
    ],
)
def test_patterns(pattern: str, data: str, fits: bool) -> None:
    parsed, raw = Pattern.parse(pattern), bytes.fromhex(data)
    assert parsed.matches(raw) is fits
    assert (parsed.difference(raw) is None) is fits


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_literal_pattern_matches_itself_alone(one: bytes, other: bytes) -> None:
    pattern = Pattern.exactly(one)
    assert pattern.literal == one
    assert pattern.matches(other) is (one == other)
    assert Pattern.parse(str(pattern)) == pattern


@given(
    st.lists(st.one_of(st.just(".."), st.just("*"), st.integers(0, 255).map(lambda b: f"{b:02X}")), max_size=12),
    st.binary(max_size=12),
)
def test_a_difference_is_told_for_every_mismatch(tokens: list[str], data: bytes) -> None:
    pattern = Pattern(tuple(tokens))
    assert (pattern.difference(data) is None) is pattern.matches(data)


@pytest.mark.parametrize(
    ("pattern", "data", "words"),
    [
        ("01 02 03 90 00", "0102FF9000", "the byte at offset 2 is FF, not 03"),
        ("01 90 00", "01029000", "the byte at offset 1 is 02, not 90"),
        ("01 .. .. 90 00", "019000", "it has 3 bytes, not 5"),
        ("01 * 90 00", "029000", "the byte at offset 0 is 02, not 01"),
        ("01 * 05 * 90 00", "01069000", "the bytes from offset 1 on do not fit"),
    ],
)
def test_a_difference_says_where(pattern: str, data: str, words: str) -> None:
    assert Pattern.parse(pattern).difference(bytes.fromhex(data)) == words


def test_a_dialogue_is_played_on_a_card() -> None:
    card = NullCard()
    play(parse_dialogue(TEXT), EmulatorConnection(card))
    assert card.events == ["on contact", "reset"]
    assert card.commands == 3


def test_a_mismatch_shows_both_sides_and_the_line() -> None:
    dialogue = parse_dialogue("> 80 EC 00 00 01\n< 01 90 00\n> 80 EC 00 00 01\n< 01 90 00\n", "counting")
    with pytest.raises(DialogueMismatch) as caught:
        play(dialogue, EmulatorConnection(NullCard()))
    assert str(caught.value) == (
        "counting, line 3: the byte at offset 0 is 02, not 01\n"
        "  > 80 EC 00 00 01\n  expected 01 90 00\n  answered 02 90 00"
    )


def test_a_mismatch_of_the_status_word_comes_first() -> None:
    with pytest.raises(DialogueMismatch, match="line 1: the status word is 6A 82, not 90 00"):
        play(parse_dialogue("> 00 A4 04 00\n< 01 90 00\n"), EmulatorConnection(NullCard()))


def test_an_atr_is_compared() -> None:
    with pytest.raises(DialogueMismatch, match=r"line 1: .*offset 0 is 3B, not 3F"):
        play(parse_dialogue("reset 3F *\n"), EmulatorConnection(NullCard()))


def _host(connection: CardConnection) -> list[bytes]:
    answers = [connection.transmit(SELECT_ISD)]
    connection.reset()
    return [*answers, connection.atr, connection.transmit(COUNT), connection.transmit(COUNT)]


def test_a_recording_is_replayed_and_survives_as_text() -> None:
    recorder = Recorder(EmulatorConnection(NullCard()))
    live = _host(recorder)
    dialogue = parse_dialogue(format_dialogue(recorder.dialogue("session")), "session")
    replay = ReplayConnection(dialogue, ATR)
    assert _host(replay) == live
    assert replay.finished
    play(dialogue, EmulatorConnection(NullCard()))


def test_a_replay_insists_on_the_recorded_words() -> None:
    dialogue = parse_dialogue("> 80 EC 00 00 01\n< 01 90 00\nreset\n> 00 84 00 00 01\n< 00 90 00\n", "d")
    with pytest.raises(ReplayError, match="line 1"):
        ReplayConnection(dialogue).transmit(SELECT_ISD)
    with pytest.raises(ReplayError, match="line 1"):
        ReplayConnection(dialogue).reset()
    replay = ReplayConnection(dialogue)
    replay.transmit(COUNT)
    with pytest.raises(ReplayError, match="line 3"):
        replay.transmit(COUNT)
    assert not replay.finished
    with pytest.raises(ReplayError, match="ended"):
        ReplayConnection(Dialogue("d", ())).transmit(COUNT)


def test_wildcards_cannot_be_replayed() -> None:
    with pytest.raises(DialogueError, match="line 7"):
        ReplayConnection(parse_dialogue(TEXT))


# --- sessions

IN_SESSION = """
reset 3B *
open transport
>> 80 F2 80 02 02 4F 00 00
<< E3 * 90 00
> 80 F2 80 02 02 4F 00 00
< 69 82
"""


def opener(connection: CardConnection) -> CardConnection:
    return open_scp03(connection, StaticKeyring(TRANSPORT_KEYS), kvn=0, level=0x33, host_challenge=bytes(8))


def test_commands_in_a_session_are_written_plain_and_sent_protected() -> None:
    chip = chips.blank()
    play(parse_dialogue(IN_SESSION), chip, {"transport": opener})
    protected = [command for command, _ in chip.exchanges if command[:2] == b"\x84\xf2"]
    assert len(protected) == 1
    assert parse_dialogue(format_dialogue(parse_dialogue(IN_SESSION))).steps[1] == Open("transport", 2)


def test_a_session_that_nobody_knows_or_that_is_not_open_is_an_error_of_the_dialogue() -> None:
    with pytest.raises(DialogueError, match="line 3: nobody knows a session 'transport'"):
        play(parse_dialogue(IN_SESSION), chips.blank())
    without = IN_SESSION.replace("open transport\n", "")
    with pytest.raises(DialogueError, match="line 3: no session is open"):
        play(parse_dialogue(without), chips.blank(), {"transport": opener})
    ended = IN_SESSION.replace("open transport\n", "open transport\nreset\n")
    with pytest.raises(DialogueError, match="no session is open"):
        play(parse_dialogue(ended), chips.blank(), {"transport": opener})


@pytest.mark.parametrize("text", ["open\n", "open Two Words\n", ">> 00\n< 90 00\n", "> 00\n<< 90 00\n", "<< 90 00\n"])
def test_sessions_that_are_not_well_formed(text: str) -> None:
    with pytest.raises(DialogueError):
        parse_dialogue(text)


def test_what_was_said_in_a_session_cannot_be_replayed() -> None:
    with pytest.raises(DialogueError, match="in a session"):
        ReplayConnection(parse_dialogue("open transport\n"))
