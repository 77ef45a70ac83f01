"""Loaded applications on a card: what they remember, what stays of a command, and what a hostile one cannot do."""

from __future__ import annotations

import threading

import pytest

from jukicard.applets.wasm.layout import PAGE, STEPS, may_answer
from jukicard.card.errors import CardError
from jukicard.card.memory import CELL_OVERHEAD
from jukicard.card.registry import DOMAIN_LIMITS
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.limits import ApplicationRight, Limits
from tests.support import chips
from tests.support.chips import CITY_DOMAIN, JUKI_DOMAIN, LIBRARY
from tests.support.wasm import (
    ANSWER,
    APP,
    COMMAND,
    EMPTY,
    GROW,
    LOOP,
    RECURSE,
    ROOMY,
    TRAP,
    Chip,
    application,
    call,
    chip_with,
    imported,
    one,
    payload_at,
    probe,
    process,
    results,
    tell,
    wat,
)

OTHER, OTHER_FILE = AID(b"\xf0other app"), AID(b"\xf0other file")
COUNTING = process(
    """(global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.store8 (i32.const 9) (i32.add (i32.load8_u (i32.const 9)) (i32.const 1)))
    (drop (call $command (i32.const 0) (i32.const 4)))
    (if (i32.eq (i32.load8_u (i32.const 1)) (i32.const 0x12)) (then unreachable))
    (if (i32.eq (i32.load8_u (i32.const 1)) (i32.const 0x14)) (then (return (i32.const 0x6A80))))
    (if (i32.eq (i32.load8_u (i32.const 1)) (i32.const 0x16)) (then
        (drop (call $file_create (i32.const 1) (i32.const 60000)))))
    (i32.store8 (i32.const 8) (global.get $n)) (drop (call $answer (i32.const 8) (i32.const 2))) (i32.const 0x9000)"""
)


def counting(limits: Limits = ROOMY) -> Chip:
    """An application that tells how many commands it remembers, by a variable and by its memory.

    INS 12 traps, 14 refuses, 16 wants to store 60000 bytes.
    """
    parts = (*map(imported, ("command", "answer", "file_create")), "(global $n (mut i32) (i32.const 0))", COUNTING)
    return chip_with(wat(*parts), limits)


# what it remembers


def test_memory_lasts_until_another_selection() -> None:
    chip = counting()
    assert [chip.ask("0010000000").data.hex() for _ in range(3)] == ["0101", "0202", "0303"]
    chip.open_channel(1)
    chip.select(LIBRARY, channel=1)
    assert chip.ask("0010000000").data.hex() == "0404"
    chip.select(APP)
    assert chip.ask("0010000000").data.hex() == "0101"
    chip.reset()
    chip.select(APP)
    assert chip.ask("0010000000").data.hex() == "0101"
    chip.select(LIBRARY)
    chip.select(APP)
    assert chip.ask("0010000000").data.hex() == "0101"


def test_memory_lasts_after_its_own_refusal_and_not_after_a_trap() -> None:
    chip = counting()
    chip.ask("0010000000")
    assert chip.ask("00140000").sw == 0x6A80
    assert chip.ask("0010000000").data.hex() == "0303"
    assert chip.ask("00120000").sw == 0x6400
    assert chip.ask("0010000000").data.hex() == "0101"


def test_memory_does_not_last_where_the_store_did_not_take_what_was_written() -> None:
    """Else it would remember what is not on the card."""
    chip = counting(Limits(1000, 2 * PAGE))
    chip.ask("0010000000")
    assert chip.ask("00160000").sw == 0x6A84
    assert chip.ask("0010000000").data.hex() == "0101"


def test_one_channel_has_the_application_at_a_time() -> None:
    chip = counting()
    chip.open_channel(1)
    assert chip.select(APP, channel=1).sw == 0x6985


# status words


@pytest.mark.parametrize(
    "sw", [0x9000, 0x6200, 0x62FF, 0x6300, 0x63C2, 0x6400, 0x6581, 0x6700, 0x6985, 0x6A80, 0x6D00, 0x6E00, 0x6F01]
)
def test_status_words_of_its_own(sw: int) -> None:
    chip = chip_with(probe())
    answer = tell(chip, call("counter_add", 1, 1), end=ANSWER, payload=sw.to_bytes(4, "little"))
    assert answer.sw == sw
    done = sw == 0x9000 or sw >> 8 in (0x62, 0x63)
    assert len(answer.data) == (8 if done else 0)
    assert one(chip, "counter_get", 1) == int(done)


@pytest.mark.parametrize(
    "sw", [0, 1, 0x6000, 0x6100, 0x61FF, 0x6C00, 0x6C10, 0x6F00, 0x7000, 0x8000, 0x9001, 0x9100, 0x9FFF, 0x19000,
           0xFFFFFFFF, 0x80009000]
)  # fmt: skip
def test_status_words_that_would_confuse_the_transport_are_6400(sw: int) -> None:
    chip = chip_with(probe())
    assert tell(chip, call("counter_add", 1, 1), end=ANSWER, payload=sw.to_bytes(4, "little")).sw == 0x6400
    assert one(chip, "counter_get", 1) == 0
    assert not may_answer(sw)


# what stays of a command


@pytest.mark.parametrize("end", [TRAP, LOOP, RECURSE])
def test_nothing_stays_of_a_command_that_is_stopped(end: int) -> None:
    chip = chip_with(probe())
    before = chip.cells
    calls = (
        call("file_write", 1, 0, COMMAND, 16),
        call("file_create", 2, 100),
        call("counter_add", 1, 5),
        call("password_create", 1, 1, 8, 3),
        call("key_generate", 1, 1),
        call("key_generate", 1, 2),
    )
    answer = tell(chip, *calls, end=end)
    assert (answer.sw, answer.data) == (0x6400, b"")
    assert chip.cells == before
    assert results(tell(chip, *calls)) == [0, 0, 5, 0, 0, 0]


def test_a_file_and_a_counter_change_together_under_a_power_cut_at_every_write() -> None:
    for cut in range(3):
        chip = chip_with(probe())
        chip.store.commits.clear()
        chip.store.cut = lambda number, cut=cut: number >= cut
        calls = (call("file_write", 1, 0, payload_at(2), 4), call("counter_add", 1, 1))
        sw = tell(chip, *calls, payload=b"done").sw
        chip.store.cut = lambda _number: False
        assert sw == (0x9000 if cut else 0x6581)
        after = Chip(chip.cells)
        after.select(APP)
        counted = one(after, "counter_get", 1)
        content = tell(after, call("file_read", 1, 0, 0x8000, 4), show=4).data[8:]
        assert (counted, content) == ((1, b"done") if cut else (0, bytes(4)))
        assert len(chip.store.commits) == min(cut, 1)


# hostile code


@pytest.mark.parametrize(
    "body",
    [
        "unreachable",
        "(loop (br 0)) (i32.const 0x9000)",
        "(i32.div_s (i32.const 1) (i32.const 0))",
        "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
        "(i32.rem_u (i32.const 1) (i32.const 0))",
        "(i32.load (i32.const 65533))",
        "(i32.load (i32.const -1))",
        "(i32.load offset=4294967295 (i32.const 1))",
        "(i32.store (i32.const 65533) (i32.const 1)) (i32.const 0x9000)",
        "(call_indirect (result i32) (i32.const 0))",
        "(call_indirect (result i32) (i32.const 1))",
        "(call_indirect (result i32) (i32.const 2))",
        "(call_indirect (result i32) (i32.const -1))",
        "(call $deeper)",
    ],
)
def test_every_trap_is_6400_and_the_card_goes_on(body: str) -> None:
    parts = (
        process(body),
        "(table 2 2 funcref) (func $other (param i32)) (elem (i32.const 1) $other)",
        "(func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))",
    )
    chip = chip_with(wat(*parts))
    for _ in range(3):
        assert chip.ask("00100000").sw == 0x6400
    assert chip.select(LIBRARY).sw == 0x9000


def test_memory_grows_to_its_maximum_and_no_further() -> None:
    chip = chip_with(probe())
    assert tell(chip, end=GROW).sw == 0x9000
    assert one(chip, "sha256", PAGE, PAGE, 0) == 0
    assert tell(chip, call("sha256", PAGE, PAGE + 1, 0)).sw == 0x6400


def test_storage_is_flooded_up_to_the_limit_and_nobody_else_notices() -> None:
    limit = 4 * 1024
    chip = chip_with(probe(), Limits(limit, 2 * PAGE))
    area = next(name[:7] for name in chip.cells if name.endswith("w/f/0001"))
    others = {name: content for name, content in chip.cells.items() if not name.startswith(area)}
    assert tell(chip, *(call("file_create", 10 + n, 1024) for n in range(4))).sw == 0x6A84
    taken = 0
    while tell(chip, call("file_create", 100 + taken, 1)).sw == 0x9000:
        taken += 1
    assert taken == (limit - 16 - CELL_OVERHEAD) // (1 + CELL_OVERHEAD)
    assert tell(chip, call("counter_add", 1, 1)).sw == 0x6A84
    assert one(chip, "file_delete", 100) == 0
    assert one(chip, "file_delete", 101) == 0
    assert one(chip, "counter_add", 1, 1) == 1
    left = {name: content for name, content in chip.cells.items() if name in others}
    assert left == others
    assert len(chip.cells) - len(others) <= taken + 4


def test_a_flood_without_a_limit_of_its_own_ends_at_the_domains() -> None:
    chip = chip_with(probe(), None)
    taken = 0
    while tell(chip, call("file_create", 100 + taken, 0x4000)).sw == 0x9000:
        taken += 1
    assert 0 < taken <= DOMAIN_LIMITS.storage // 0x4000
    cells = application(probe(), aid=OTHER, load_file=OTHER_FILE).on(chip.cells, JUKI_DOMAIN)
    other = Chip(cells)
    other.select(OTHER)
    assert one(other, "file_create", 100, 0x4000) == 0


def test_a_flood_of_tries_is_metered_as_well() -> None:
    """A try is spent at once, beside the transaction; so its cell is admitted at once, too."""
    chip = chip_with(probe(), Limits(900, 2 * PAGE))
    at = payload_at(3)
    for reference in range(1, 32):
        calls = (
            call("password_create", reference, 1, 8, 15),
            call("password_set", reference, at, 1),
            call("password_verify", reference, at, 1),
        )
        answer = tell(chip, *calls, payload=b"x")
        assert answer.sw in (0x9000, 0x6A84)
    area = next(name[:7] for name in chip.cells if name.endswith("w/f/0001"))
    used = sum(CELL_OVERHEAD + len(content) for name, content in chip.cells.items() if name.startswith(area))
    assert 0 < used <= 900


SEARCH = process(
    """(local $id i32)
    (drop (call $command (i32.const 0) (i32.const 8)))
    (local.set $id (i32.shl (i32.load8_u (i32.const 2)) (i32.const 12)))
    (loop $next
        (if (i32.or (i32.gt_s (call $file_size (local.get $id)) (i32.const 0))
                    (i64.ne (call $counter_get (local.get $id)) (i64.const 0)))
            (then (drop (call $answer (i32.const 0) (i32.const 1)))))
        (local.set $id (i32.add (local.get $id) (i32.const 1)))
        (br_if $next (i32.and (local.get $id) (i32.const 0xFFF))))
    (i32.const 0x9000)"""
)


def test_no_number_names_anything_of_another_application() -> None:
    """All 65536 files and counters: neither the library's, nor another loaded application's, nor the domain's."""
    cells = application(probe(), aid=OTHER, load_file=OTHER_FILE).on(chips.delivered().cells, CITY_DOMAIN)
    chip = Chip(cells)
    chip.select(OTHER)
    calls = [call("file_create", n, 1) for n in range(2, 9)] + [call("counter_add", n, 1) for n in range(9)]
    assert tell(chip, *calls, call("key_generate", 1, 1), call("password_create", 1, 4, 4, 3)).sw == 0x9000
    searching = wat(*map(imported, ("command", "answer", "file_size", "counter_get")), SEARCH)
    chip = Chip(application(searching).on(chip.cells, CITY_DOMAIN))
    chip.select(APP)
    for block in range(16):
        answer = chip.ask(bytes((0x00, 0x10, block, 0x00, 0x00)))
        assert (answer.sw, answer.data) == (0x9000, b"")


def test_keys_and_passwords_of_another_application_have_no_number_either() -> None:
    cells = application(probe(), aid=OTHER, load_file=OTHER_FILE).on(chips.delivered().cells, CITY_DOMAIN)
    chip = Chip(cells)
    chip.select(OTHER)
    calls = [call("key_generate", n, kind) for n in (1, 31) for kind in (1, 2)]
    assert tell(chip, *calls, call("password_create", 1, 4, 4, 3)).sw == 0x9000
    chip = Chip(application(probe()).on(chip.cells, CITY_DOMAIN))
    chip.select(APP)
    for n in range(1, 32):
        calls = [call("public_key", n, 0), call("sign", n, 0, 0), call("mac", n, 0, 0, 0), call("password_status", n)]
        assert results(tell(chip, *calls)) == [-1, -1, -1, -1]


def test_files_of_the_application_are_nobodys_to_select() -> None:
    chip = chip_with(probe())
    for command in ("00A4000C020001", "00A4020C020001", "00A4080C020001"):
        assert chip.ask(command).sw == 0x6A82


def test_what_the_card_and_the_domain_answer_never_reaches_the_module() -> None:
    chip = chip_with(wat(process("unreachable")))
    assert chip.ask("00840000" + "08").sw == 0x9000
    assert chip.ask("0070000001").sw == 0x9000
    assert chip.ask("80CA006600").sw in (0x9000, 0x6A88)
    assert chip.ask("80500000080102030405060708" + "00").sw in (0x9000, 0x6A88)
    assert chip.ask("80100000").sw == 0x6400
    for ins in (0x60, 0x6F, 0x90, 0x9F):
        assert chip.ask(bytes((0x00, ins, 0x00, 0x00))).sw == 0x6D00


# installation and quotas


def test_installation_is_all_or_nothing() -> None:
    refusing = process("(drop (call $file_create (i32.const 1) (i32.const 9))) (i32.const 0x6985)", "install")
    trapping = process("(drop (call $file_create (i32.const 1) (i32.const 9))) unreachable", "install")
    warning = process("(drop (call $file_create (i32.const 1) (i32.const 9))) (i32.const 0x6200)", "install")
    for install, sw in ((refusing, 0x6985), (trapping, 0x6400), (warning, 0x6200)):
        code = wat(imported("file_create"), install, EMPTY)
        with pytest.raises(CardError) as caught:
            chip_with(code)
        assert caught.value.sw == sw


def test_parameters_need_a_function_that_takes_them() -> None:
    with pytest.raises(CardError) as caught:
        chip_with(wat(EMPTY), parameters=b"x")
    assert caught.value.sw == 0x6A80


def test_no_try_is_spent_during_an_installation() -> None:
    """It would be written before there is an application that it belongs to."""
    install = process(
        """(drop (call $password_create (i32.const 1) (i32.const 1) (i32.const 8) (i32.const 3)))
        (drop (call $password_set (i32.const 1) (i32.const 0) (i32.const 4)))
        (if (i32.ne (call $password_verify (i32.const 1) (i32.const 0) (i32.const 4)) (i32.const -4))
            (then unreachable))
        (i32.const 0x9000)""",
        "install",
    )
    names = ("password_create", "password_set", "password_verify")
    chip = chip_with(wat(*map(imported, names), install, EMPTY))
    assert chip.ask("00100000").sw == 0x9000


def test_no_right_is_there_during_an_installation_that_is_not_there_later() -> None:
    code = wat(imported("file_create"), process("(call $file_create (i32.const 1) (i32.const 1))", "install"), EMPTY)
    with pytest.raises(CardError) as caught:
        chip_with(code, ROOMY._replace(rights=ApplicationRight.CONTACT))
    assert caught.value.sw == 0x6985


def test_more_memory_than_was_granted_is_not_installed() -> None:
    code = wat(EMPTY, memory='(memory (export "memory") 1 3)')
    for memory, granted in ((2 * PAGE, False), (3 * PAGE - 1, False), (3 * PAGE, True)):
        if granted:
            assert chip_with(code, Limits(1000, memory)).ask("00100000").sw == 0x9000
            continue
        with pytest.raises(CardError) as caught:
            chip_with(code, Limits(1000, memory))
        assert caught.value.sw == 0x6A84


def test_volatile_memory_is_the_domains_and_comes_back() -> None:
    """256 KiB: two applications of three pages each do not run side by side."""
    code = wat(EMPTY, memory='(memory (export "memory") 1 3)')
    cells = application(code, None, aid=OTHER, load_file=OTHER_FILE).on(chips.delivered().cells, CITY_DOMAIN)
    chip = Chip(application(code, None).on(cells, CITY_DOMAIN))
    chip.open_channel(1)
    chip.select(APP)
    assert chip.ask("00100000").sw == 0x9000
    assert chip.select(OTHER, channel=1).sw == 0x9000
    assert chip.ask("01100000").sw == 0x6A84
    assert chip.ask("00100000").sw == 0x9000
    chip.select(LIBRARY)
    assert chip.ask("01100000").sw == 0x9000
    assert chip.ask("01700001").sw in (0x9000, 0x6A86, 0x6A81)


# sameness


def test_two_chips_answer_the_same_and_take_as_many_steps() -> None:
    calls = [
        call("random", 0x8000, 64),
        call("key_generate", 3, 1),
        call("public_key", 3, 0x8100),
        call("sha256", 0x8000, 300, 0x8000),
        call("sign", 3, 0x8000, 0x8020),
    ]
    chips_ = [chip_with(probe(), seed="same") for _ in range(2)]
    answers, steps = [], []
    for chip in chips_:
        answers.append([tell(chip, *calls, show=0xFF).data, tell(chip, end=LOOP).sw, tell(chip, end=TRAP).sw])
        tell(chip, *calls[3:])
        program = chip.card._services.volatile.basic.program  # type: ignore[union-attr]
        steps.append(program.instance.steps)  # type: ignore[union-attr]
    assert answers[0] == answers[1]
    assert steps[0] == steps[1]
    assert 0 < steps[0] < STEPS
    assert chips_[0].cells == chips_[1].cells


def test_chips_in_many_threads_are_stopped_for_their_own_reasons() -> None:
    """The engine's binding keeps exceptions in one place for all threads; ours must not be mixed up there."""
    wrong: list[str] = []

    def work(name: str, sw: int, end: int, rights: ApplicationRight) -> None:
        chip = chip_with(probe(), ROOMY._replace(rights=rights | ApplicationRight.FILES))
        for _ in range(150):
            answer = tell(chip, call(name, 1), end=end)
            if answer.sw != sw:
                wrong.append(f"{name}: {answer.sw:04X}")

    contact = ApplicationRight.CONTACT
    jobs = [
        ("counter_get", 0x6985, 0x10, contact),
        ("counter_get", 0x6400, TRAP, contact | ApplicationRight.COUNTERS),
        ("file_size", 0x9000, 0x10, contact),
        ("random", 0x6400, TRAP, contact | ApplicationRight.RANDOM),
    ]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_long_answer_goes_out_in_pieces() -> None:
    code = wat(imported("answer"), process("(drop (call $answer (i32.const 0) (i32.const 600))) (i32.const 0x9000)"))
    chip = chip_with(code)
    first = chip.ask(CommandAPDU(0, 0x10, 0, 0, b"", 256).encode())
    assert (first.sw, len(first.data)) == (0x6100, 256)
    second = chip.ask("00C0000000")
    assert (second.sw, len(second.data)) == (0x6158, 256)
    assert chip.ask("00C0000058").sw == 0x9000
