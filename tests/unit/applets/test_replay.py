"""Recorded sessions replayed: on the same chip after a reset and on another one, singly, in order, from any point on.

What may change, and the documentation lists it: the counters of handshakes begun with an SCP03 key set, and the date
estimate of the anchor under which a recorded certificate chain is verified once more (it stays the same date).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.securechannel.authorization import Right
from tests.support import chips
from tests.support.chips import ALL_RIGHTS, CODE, PASSWORD, Chip, juki_session, read_code, say, terminal, verify

Recording = list[tuple[bytes, bytes]]
NEW_DATE = 20250101


def scp11a(chip: Chip) -> None:
    """A whole day at the counter: everything that changes or tells something."""
    chip.select(chips.JUKI)
    session = chip.scp11a(terminal(*sorted(ALL_RIGHTS), ca_start=NEW_DATE), chips.active().juki_11a)
    assert verify(session, chips.WRONG_PASSWORD) == 0x63C2
    assert verify(session) == 0x9000
    assert read_code(session).data == CODE
    assert say(session, 0, 0x33, 0x81, 0, CODE).sw == 0x9000
    assert say(session, 0, 0x24, 0, 0x81, PASSWORD + b"1111").sw == 0x9000
    assert say(session, 0, 0x2C, 2, 0x81, PASSWORD).sw == 0x9000
    assert say(session, 0, 0x04).sw == 0x9000
    assert say(session, 0, 0x44).sw == 0x9000
    assert say(session, 0, 0xDA, 1, 7, b"99201").sw == 0x9000
    assert say(session, 0, 0xB0, 0x87, 0, ne=256).sw == 0x9000


def scp03(chip: Chip) -> None:
    """The city's issuing machine: keys, content, data."""
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    aid = bytes(chips.LIBRARY)
    assert say(session, 0x80, 0xF2, 0x40, 2, b"\x4f\0", 256).sw == 0x9000
    assert say(session, 0x80, 0xF0, 0x40, 0x80, aid).sw == 0x9000
    assert say(session, 0x80, 0xF0, 0x40, 0x07, aid).sw == 0x9000
    chips.store_estimate(session, NEW_DATE)
    chips.put_key_set(session, chips.static_keys("another"), chips.CITY_KEYS.dek, kvn=2)
    chips.generate_key(session, 0x11, kvn=3)
    assert say(session, 0x80, 0xE4, 0, 0, b"\xd2\x01\x03").sw == 0x9000


def personalisation(chip: Chip) -> None:
    chip.select(chips.JUKI)
    session = chip.scp03(chips.JUKI_KEYS)
    chips.write_juki(session)
    assert read_code(session).data == CODE
    assert say(session, 0, 0x44).sw == 0x9000


def library(chip: Chip) -> None:
    session = chips.library_session(chip)
    assert verify(session) == 0x9000
    assert say(session, 0, 0xE2, 0, 0x10, b"0001" + b"9784000000000" + b"20240701" + b"L").sw == 0x9000
    assert say(session, 0, 0xB2, 1, 0x14, ne=256).sw == 0x9000
    assert say(session, 0, 0x24, 0, 0x81, PASSWORD + b"1111").sw == 0x9000


Case = tuple[Callable[[Chip], None], Callable[[int, object], Chip]]


def issued(number: int, seed: object) -> Chip:
    return chips.active(number).chip(seed)


CASES: dict[str, Case] = {
    "scp11a": (scp11a, issued),
    "scp03": (scp03, issued),
    "library": (library, issued),
    "personalisation": (personalisation, lambda number, seed: chips.in_personalisation(seed, number)),
}


def record(name: str) -> tuple[Chip, Recording]:
    play, make = CASES[name]
    chip = make(1, "recorded")
    play(chip)
    return chip, list(chip.exchanges)


def state(chip: Chip) -> dict[str, bytes]:
    """All cells but those that a replayed handshake may change."""
    return {name: value for name, value in chip.cells.items() if "/seq/" not in name and "/day/" not in name}


def days(chip: Chip) -> dict[str, bytes]:
    return {name: value for name, value in chip.cells.items() if "/day/" in name}


def selection(recording: Recording) -> bytes:
    return recording[0][0]


def targets(name: str) -> list[tuple[str, Chip]]:
    """The chip that was recorded, after a reset, and a second one; with certificates also a copy from before.

    (An SCP03 challenge is made of a counter, so that a copy of the store from before the session is the same chip, and
    a replay there is no replay.)
    """
    same, _ = record(name)
    make = CASES[name][1]
    found = [("same", same), ("second", make(2, "recorded"))]
    return [*found, ("before", make(1, "another seed"))] if name in ("scp11a", "library") else found


def protected(command: bytes) -> bool:
    return bool(command[0] & 0x04)


@pytest.mark.parametrize("name", CASES)
def test_every_command_replayed_singly(name: str) -> None:
    _, recording = record(name)
    assert sum(protected(command) for command, _ in recording) >= 4
    for kind, chip in targets(name):
        before, dates = state(chip), days(chip)
        for command, _ in recording:
            chip.reset()
            assert chip.ask(selection(recording)).sw == 0x9000
            answer = chip.ask(command)
            if protected(command):
                assert (answer.sw, answer.data) == (0x6982, b""), f"{kind}: {command[1]:02X}: {answer.sw:04X}"
            assert state(chip) == before, f"{kind}: {command[1]:02X} changed something"
        assert days(chip) == dates  # a single certificate proves nothing


@pytest.mark.parametrize("name", CASES)
def test_everything_replayed_in_order(name: str) -> None:
    _, recording = record(name)
    for kind, chip in targets(name):
        before = state(chip)
        chip.reset()
        answers = [chip.ask(command) for command, _ in recording]
        assert state(chip) == before, f"{kind}: a replay changed something"
        for (command, recorded), answer in zip(recording, answers, strict=True):
            if protected(command):
                assert answer.sw in (0x6982, 0x6985, 0x6988, 0x6300), f"{kind}: {command[1]:02X}: {answer.sw:04X}"
                assert not answer.data
            elif command[1] in (0x50, 0x82):
                assert answer.data != recorded[:-2], f"{kind}: a handshake was answered as it was before"


@pytest.mark.parametrize("name", CASES)
def test_replaying_from_any_point_on(name: str) -> None:
    chip, recording = record(name)
    before = state(chip)
    for start in range(1, len(recording)):
        chip.reset()
        chip.ask(selection(recording))
        for command, _ in recording[start:]:
            answer = chip.ask(command)
            assert not (protected(command) and answer.sw == 0x9000)
    assert state(chip) == before


def test_a_replayed_certificate_chain_repeats_its_date_and_does_no_more() -> None:
    recorded, recording = record("scp11a")
    for kind, chip in targets("scp11a"):
        dates = days(chip)
        chip.reset()
        for command, _ in recording:
            chip.ask(command)
        once = days(chip)
        for command, _ in recording:
            chip.ask(command)
        assert days(chip) == once
        if kind == "same":
            assert once == dates == days(recorded)
        assert max(once.values()).hex() == str(NEW_DATE)


def test_a_replayed_scp03_handshake_counts_as_an_attempt_of_its_key_set_only() -> None:
    chip = issued(2, "recorded")
    before = chip.cells
    for command, _ in record("scp03")[1]:
        chip.ask(command)
    changed = {name for name, value in chip.cells.items() if before.get(name) != value}
    assert len(changed) == 1
    assert "/seq/01/01" in changed.pop()


def test_a_replayed_session_leaves_the_real_one_alone_on_another_channel() -> None:
    chip = chips.active().chip()
    session = juki_session(chip, Right.IDENTIFY)
    assert verify(session) == 0x9000
    recording = list(chip.exchanges)
    chip.open_channel(1)
    for command, _ in recording:
        moved = bytes((command[0] | 0x01,)) + command[1:]
        answer = chip.ask(moved)
        assert not answer.data
        assert not (protected(command) and answer.sw == 0x9000)
    assert read_code(session).data == CODE
    assert CommandAPDU.parse(recording[-1][0]).ins == 0x20
