"""The small library in C, run on a card: each function against Python's own."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import send
from jukicard.sdk.building import build_module
from jukicard.sdk.project import Project
from jukicard.securechannel.authorization import Right
from jukicard.testing.apps import LoadedApplication
from tests.support import chips
from tests.support.chips import CITY_DOMAIN, CITY_ROOT, say, terminal
from tests.support.wasm import Chip, chip_with

EXAMPLES = Path(__file__).parents[3] / "examples" / "apps"
SOURCE = r"""
#include "juki.h"

static uint8_t area[512];

int process(void) {
    static uint8_t buffer[300];
    struct juki_apdu apdu;
    if (!juki_read(&apdu, buffer, sizeof buffer))
        return SW_WRONG_LENGTH;
    for (int i = 0; i < 512; i++)
        area[i] = (uint8_t)i;
    uint8_t result[4] = {0};
    switch (apdu.ins) {
    case 0x10:
        memcpy(area + apdu.p1, apdu.data, apdu.size);
        break;
    case 0x12:
        memmove(area + apdu.p1, area + apdu.p2, apdu.data[0]);
        break;
    case 0x14:
        memset(area + apdu.p1, apdu.p2, apdu.data[0]);
        break;
    case 0x16: {
        int order = memcmp(apdu.data, apdu.data + apdu.p1, apdu.p1);
        result[0] = (uint8_t)(order < 0 ? 1 : order > 0 ? 2 : 0);
        result[1] = juki_equal(apdu.data, apdu.data + apdu.p1, apdu.p1);
        juki_answer(result, 2);
        return SW_OK;
    }
    case 0x18:
        juki_put32(result, juki_get32(apdu.data) + 1);
        juki_answer(result, 4);
        juki_put16(result, (uint16_t)(juki_get16(apdu.data) + 1));
        juki_answer(result, 2);
        result[0] = (uint8_t)strlen("twelve bytes");
        juki_answer(result, 1);
        return SW_OK;
    default:
        return SW_INS_NOT_SUPPORTED;
    }
    juki_answer(area, sizeof area);
    return SW_OK;
}
"""
BEFORE = bytes(n % 256 for n in range(512))


@lru_cache(maxsize=1)
def code() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.c"
        path.write_text(SOURCE)
        return build_module([path])


@pytest.fixture
def chip() -> Chip:
    return chip_with(code())


def ask(chip: Chip, ins: int, p1: int, p2: int, data: bytes) -> bytes:
    answer = send(chip, CommandAPDU(0, ins, p1, p2, data, 65536, True))
    assert answer.sw == 0x9000
    return answer.data


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 15, 16, 17, 200, 255])
def test_memcpy_and_memset(chip: Chip, size: int) -> None:
    data = bytes(255 - n for n in range(size))
    assert ask(chip, 0x10, 3, 0, data) == BEFORE[:3] + data + BEFORE[3 + size :]
    assert ask(chip, 0x14, 3, 0xAB, bytes((size,))) == BEFORE[:3] + b"\xab" * size + BEFORE[3 + size :]


@pytest.mark.parametrize(
    ("to", "start", "size"), [(0, 9, 40), (9, 0, 40), (5, 5, 30), (0, 1, 255), (1, 0, 255), (7, 3, 0)]
)
def test_memmove_of_areas_that_overlap(chip: Chip, to: int, start: int, size: int) -> None:
    expected = bytearray(BEFORE)
    expected[to : to + size] = BEFORE[start : start + size]
    assert ask(chip, 0x12, to, start, bytes((size,))) == bytes(expected)


@pytest.mark.parametrize(
    ("one", "other", "order"), [(b"abc", b"abc", 0), (b"abc", b"abd", 1), (b"\xff", b"\x01", 2), (b"ba", b"ab", 2)]
)
def test_comparisons(chip: Chip, one: bytes, other: bytes, order: int) -> None:
    assert ask(chip, 0x16, len(one), 0, one + other) == bytes((order, order == 0))


def test_numbers_have_their_highest_byte_first(chip: Chip) -> None:
    assert ask(chip, 0x18, 0, 0, bytes.fromhex("0102ffff")) == bytes.fromhex("01030000" + "0103" + "0c")


def test_a_command_that_does_not_fit_is_not_read(chip: Chip) -> None:
    assert chip.ask(bytes.fromhex("001000000001f4") + bytes(500)).sw == 0x6700


def test_the_stack_of_c_does_not_run_into_its_variables(tmp_path: Path) -> None:
    source = tmp_path / "deep.c"
    source.write_text(
        '#include "juki.h"\nstatic int deeper(int n) { volatile char big[256]; big[0] = (char)n;'
        " return n ? deeper(n - 1) + big[0] : 0; }\nint process(void) { return deeper(1000) ? SW_OK : SW_OK; }\n"
    )
    assert chip_with(build_module([source])).ask("00100000").sw == 0x6400


# the examples


def example(name: str, parameters: bytes = b"") -> Chip:
    app = LoadedApplication.of(EXAMPLES / name, parameters)
    chip = Chip(app.on(chips.delivered().cells, CITY_DOMAIN))
    assert chip.select(Project.read(EXAMPLES / name).module).sw == 0x9000
    return chip


def test_hello() -> None:
    chip = example("hello")
    assert chip.ask("0010000000").data == b"Hello from a loaded application"
    assert chip.ask("00110000").sw == 0x6D00


def test_the_stamp_card() -> None:
    chip = example("counter", b"2580")
    assert chip.ask("0010000000").data == bytes(4)
    assert chip.ask("00120000").sw == 0x6982
    shop = chip.scp11a(terminal(Right.MUNICIPAL_SERVICE, root=CITY_ROOT), chips.delivered().city_11a)
    for _ in range(12):
        say(shop, 0x00, 0x12, sw=0x9000)
    assert chip.ask("00140000024142").sw == 0x6982
    assert chip.ask("002000010431323334").sw == 0x63C2
    assert chip.ask("002000010432353830").sw == 0x9000
    assert chip.ask("0014000000").sw == 0x6700
    assert chip.ask("00140000024142").sw == 0x9000
    assert chip.ask("00140000024344").sw == 0x6985  # two stamps are left
    assert chip.ask("0010000000").data == bytes((0, 2, 0, 1))
    assert chip.ask("0016000000").data == b"AB"
    chip.select(Project.read(EXAMPLES / "counter").module)
    assert chip.ask("00140000024344").sw == 0x6982  # the PIN was for the selection before
