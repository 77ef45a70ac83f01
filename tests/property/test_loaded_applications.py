"""A hostile application: any calls of the host interface with any arguments, in any order, with any rights."""

from __future__ import annotations

from functools import lru_cache

from hypothesis import given, note, settings
from hypothesis import strategies as st

from jukicard.applets.wasm.layout import FUNCTIONS, PAGE
from jukicard.iso7816.limits import ALL_RIGHTS, ApplicationRight, Limits
from tests.support.chips import LIBRARY
from tests.support.wasm import (
    ANSWER,
    APP,
    FINISH,
    GROW,
    LOOP,
    RECURSE,
    ROOMY,
    TRAP,
    Call,
    Chip,
    chip_with,
    payload_at,
    probe,
    tell,
)

EDGES = [
    *range(5),
    *(1 << bits for bits in range(3, 17)),
    *((1 << bits) - 1 for bits in range(4, 17)),
    *(PAGE + more for more in (-65, -64, -32, -16, 1)),
    *(2 * PAGE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
]
NUMBERS = st.one_of(st.sampled_from(EDGES), st.integers(0, 40), st.integers(0, (1 << 64) - 1))
CALLS = st.builds(Call, st.sampled_from(list(FUNCTIONS)), st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
ENDS = st.sampled_from([FINISH] * 6 + [TRAP, ANSWER, RECURSE, GROW])
COMMANDS = st.tuples(st.lists(CALLS, max_size=10), ENDS, st.binary(max_size=100))
RIGHTS = st.one_of(
    st.just(ALL_RIGHTS),
    st.builds(ApplicationRight, st.integers(0, ALL_RIGHTS)).map(lambda rights: rights | ApplicationRight.CONTACT),
)
STORAGE = 3000


@lru_cache(maxsize=64)
def cells(rights: ApplicationRight) -> dict[str, bytes]:
    """A card with the probe; it could store its file in its installation, whatever it may do afterwards."""
    files = rights | ApplicationRight.FILES
    return chip_with(probe(), Limits(STORAGE, ROOMY.memory, files)).cells


@settings(deadline=None)
@given(RIGHTS, st.lists(COMMANDS, min_size=1, max_size=6))
def test_the_chip_answers_and_nobody_else_notices(
    rights: ApplicationRight, commands: list[tuple[list[Call], int, bytes]]
) -> None:
    """Strictly: a bug in the card would be raised here.  What is refused has left nothing but spent tries."""
    chip = Chip(cells(rights))
    assert chip.select(APP).sw == 0x9000
    area = next(name[:7] for name in chip.cells if name.endswith("w/f/0001"))
    others = {name: content for name, content in chip.cells.items() if not name.startswith(area)}
    for calls, end, payload in commands:
        before = chip.cells
        answer = tell(chip, *calls, end=end, payload=payload)
        note(f"{[call.name for call in calls]} {end:02X}: {answer.sw:04X}")
        assert answer.sw not in (0x6F00, 0x6D00, 0x6581)
        done = answer.sw == 0x9000 or answer.sw >> 8 in (0x62, 0x63)
        after = chip.cells
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert all(name.startswith(area) for name in changed)
        if not done:
            assert answer.data == b""
            assert all(name.startswith(f"{area}p/") and name.endswith("/t") for name in changed)
        assert sum(16 + len(content) for name, content in after.items() if name.startswith(area)) <= STORAGE
    assert {name: content for name, content in chip.cells.items() if not name.startswith(area)} == others
    assert chip.select(LIBRARY).sw == 0x9000


@settings(deadline=None, max_examples=30)
@given(st.lists(CALLS, max_size=10), st.sampled_from([FINISH, TRAP, LOOP, GROW]))
def test_the_same_calls_have_the_same_answers_and_leave_the_same_card(calls: list[Call], end: int) -> None:
    answers = []
    for _ in range(2):
        chip = Chip(cells(ALL_RIGHTS), "the same seed")
        chip.select(APP)
        answers.append((tell(chip, *calls, end=end), tell(chip, *calls), chip.cells))
    assert answers[0] == answers[1]


def test_the_calls_reach_what_they_are_meant_to_reach() -> None:
    """Numbers as above do create files, keys and passwords: the properties are not about refusals alone."""
    chip = Chip(cells(ALL_RIGHTS))
    chip.select(APP)
    calls = [Call("file_create", (2, 64)), Call("key_generate", (1, 1)), Call("password_create", (1, 1, 64, 15))]
    assert tell(chip, *calls, Call("password_set", (1, payload_at(4), 4)), payload=b"abcd").data == bytes(32)
