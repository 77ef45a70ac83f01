"""The host interface: what each function does, at every boundary of its arguments, with its right and without it."""

from __future__ import annotations

import inspect
import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.applets.catalogue import rom
from jukicard.applets.wasm import layout
from jukicard.applets.wasm.host import Host
from jukicard.applets.wasm.layout import FUNCTIONS, PAGE, VERIFIED, WORK, HostError, KeyKind
from jukicard.card.card import Card
from jukicard.card.ports import Interface, Ports
from jukicard.card.store import MemoryStore
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import send
from jukicard.iso7816.limits import ALL_RIGHTS, ApplicationRight
from jukicard.iso7816.status import StatusWord
from jukicard.reader.emulator import EmulatorConnection
from jukicard.securechannel.authorization import Right, Role
from jukicard.testing.seeds import randomness
from tests.support import chips
from tests.support.chips import CITY_DOMAIN, CITY_KEYS, CITY_ROOT, OTHER_CITY, terminal
from tests.support.wasm import (
    ANSWER,
    APP,
    COMMAND,
    DUMP,
    EMPTY,
    TRAP,
    Chip,
    application,
    call,
    chip_with,
    imported,
    limits,
    one,
    payload_at,
    probe,
    process,
    results,
    tell,
    wat,
    without,
)

ROOT = Path(__file__).parents[4]
NOT_FOUND, EXISTS, RANGE, STATE, BLOCKED = HostError
FUNCTION_NAMES = list(FUNCTIONS)


@pytest.fixture
def chip() -> Chip:
    return chip_with(probe(), parameters=b"from the issuer!")


def shown(chip: Chip, *calls: object, show: int, payload: bytes = b"") -> bytes:
    """What the calls leave at `DUMP`."""
    answer = tell(chip, *calls, show=show, payload=payload)  # type: ignore[arg-type]
    assert answer.sw == 0x9000
    return answer.data[8 * len(calls) :]


# the interface as data


def test_the_card_has_every_function_with_its_parameters() -> None:
    for name, function in FUNCTIONS.items():
        parameters = list(inspect.signature(getattr(Host, name)).parameters)
        assert len(parameters) == 1 + len(function.parameters), name


def test_the_header_declares_what_the_card_has() -> None:
    header = (files("jukicard.sdk") / "c" / "juki.h").read_text()
    found = re.findall(r'JUKI_IMPORT\("(\w+)"\)\s+(int\d+_t) juki_(\w+)\(([^)]*)\)', header)
    declared = {}
    for name, result, called, parameters in found:
        assert name == called
        kinds = "".join(
            "I" if part.strip().startswith("int64") else "i" for part in parameters.split(",") if part.strip() != "void"
        )
        declared[name] = (kinds, "I" if result == "int64_t" else "i")
    assert declared == {name: (function.parameters, function.result) for name, function in FUNCTIONS.items()}
    errors = {name: int(value) for name, value in re.findall(r"#define JUKI_(\w+) \((-\d)\)", header)}
    assert errors == {error.name: error.value for error in HostError}
    assert f"#define JUKI_VERIFIED 0x{VERIFIED:X}" in header
    for kind in KeyKind:
        assert f"#define JUKI_KEY_{kind.name} {kind.value}" in header


def test_the_reference_tells_every_function_error_and_limit() -> None:
    page = (ROOT / "docs" / "loaded-applications.md").read_text()
    for name, function in FUNCTIONS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}("))
        assert f"| {function.work} |" in row, name
        right = f"`{function.right.name.lower()}`" if function.right else "—"
        assert f"| {right} |" in row or name == "key_generate", name
    for error in HostError:
        assert f"| {error.value} | `{error.name}` |" in page
    for figure in (layout.STEPS, layout.WORK, layout.MAX_CODE, layout.MAX_ANSWER):
        assert f"{figure:,}" in page


# the command and its answer


def test_the_command_is_header_and_data_and_its_length_is_told(chip: Chip) -> None:
    answer = tell(chip, call("command", DUMP, 8), payload=b"abc", show=8)
    assert int.from_bytes(answer.data[:8], "little") == 4 + 33 + 3
    assert answer.data[8:] == bytes((0x00, 0x10, 1, 8)) + call("command", DUMP, 8).encode()[:4]
    assert one(chip, "command", 0, 0) == 4 + 33


def test_channel_and_secure_messaging_are_not_in_the_class_byte(chip: Chip) -> None:
    assert shown(chip, call("command", DUMP, 1), show=1) == b"\0"
    chip.open_channel(1)
    chip.select(APP)  # leaves channel 0 with it
    answer = tell(chip, call("command", DUMP, 1), show=1, cla=0x80)
    assert answer.data[8:] == b"\x80"
    session = chip.scp03(CITY_KEYS)
    assert shown(session, call("command", DUMP, 1), show=1) == b"\0"  # type: ignore[arg-type]


def test_expected_is_ne_or_minus_one(chip: Chip) -> None:
    code = wat(imported("expected"), process("(i32.or (i32.const 0x6500) (i32.and (call $expected) (i32.const 255)))"))
    other = chip_with(code)
    assert other.ask("00100000").sw == 0x65FF
    assert other.ask("0010000010").sw == 0x6510
    assert one(chip, "expected") == 65536


def test_an_answer_grows_to_its_limit(chip: Chip) -> None:
    assert results(tell(chip, call("answer", 0, 0), call("answer", 0, 0))) == [0, 8]
    many = chip_with(
        wat(
            imported("answer"),
            process(
                "(drop (call $answer (i32.const 0) (i32.const 65533)))"
                "(if (i32.ne (call $answer (i32.const 0) (i32.const 1)) (i32.const -3)) (then unreachable))"
                "(i32.const 0x9000)"
            ),
        )
    )
    full = send(many, CommandAPDU(0, 0x10, 0, 0, b"", 65536, True))
    assert (full.sw, full.data) == (0x9000, bytes(65533))


# pointers


POINTERS = [
    (PAGE, 1),
    (PAGE - 1, 2),
    (0, PAGE + 1),
    (-1, 1),
    (-1, 2),
    (1, -1),
    (0x80000000, 1),
    (0x7FFFFFFF, 0x7FFFFFFF),
    (-PAGE, PAGE),
    (PAGE + 1, 0),
    (-1, 0),
]
TAKING = {
    "command": lambda at, size: (at, size),
    "answer": lambda at, size: (at, size),
    "file_read": lambda at, size: (1, 0, at, min(size % (1 << 32), 16)),
    "file_write": lambda at, size: (1, 0, at, min(size % (1 << 32), 16)),
    "password_set": lambda at, size: (1, at, size),
    "password_verify": lambda at, size: (1, at, size),
    "random": lambda at, size: (at, size),
    "sha256": lambda at, size: (at, size, 0),
    "mac": lambda at, size: (2, at, size, 0),
}


def furnished() -> Chip:
    """With a file of 16 bytes, a password, a key of each kind."""
    chip = chip_with(probe())
    calls = (call("password_create", 1, 4, 8, 3), call("key_generate", 1, 1), call("key_generate", 2, 2))
    assert results(tell(chip, *calls)) == [0, 0, 0]
    return chip


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize(("at", "size"), POINTERS)
def test_a_pointer_outside_the_memory_ends_the_command(name: str, at: int, size: int) -> None:
    chip = furnished()
    before = chip.cells
    arguments = TAKING[name](at, size)
    inside = name.startswith("file") and at % (1 << 32) + arguments[-1] <= PAGE
    too_long = name == "answer" and size % (1 << 32) > layout.MAX_ANSWER
    if inside or too_long:
        assert one(chip, name, *arguments) in (0, RANGE)
        return
    assert tell(chip, call(name, *arguments)).sw == 0x6400
    assert chip.cells == before


@pytest.mark.parametrize(
    ("name", "arguments", "size"),
    [
        ("sha256", lambda at: (0, 1, at), 32),
        ("public_key", lambda at: (1, at), 65),
        ("sign", lambda at: (1, 0, at), 64),
        ("sign", lambda at: (1, at, 0), 32),
        ("mac", lambda at: (2, 0, 1, at), 16),
        ("verify", lambda at: (at, 0, 0), 65),
        ("verify", lambda at: (0, at, 0), 32),
        ("verify", lambda at: (0, 0, at), 64),
    ],
)
def test_results_and_hashes_must_fit_whole(name: str, arguments, size: int) -> None:  # type: ignore[no-untyped-def]
    chip = furnished()
    assert one(chip, name, *arguments(PAGE - size)) == 0
    for at in (PAGE - size + 1, PAGE, -1, -size, 0x7FFFFFFF):
        assert tell(chip, call(name, *arguments(at))).sw == 0x6400


def test_memory_that_was_grown_can_be_pointed_at() -> None:
    grow = "(drop (memory.grow (i32.const 1)))"
    reading = "(drop (call $answer (i32.const 131071) (i32.const 1)))"
    two = '(memory (export "memory") 1 2)'
    assert (
        chip_with(wat(imported("answer"), process(f"{grow}{reading}(i32.const 0x9000)"), memory=two))
        .ask("00100000")
        .data
        == b"\0"
    )
    one_page = chip_with(wat(imported("answer"), process(f"{grow}{reading}(i32.const 0x9000)")))
    assert one_page.ask("00100000").sw == 0x6400


# files


def test_a_file_lives(chip: Chip) -> None:
    assert shown(chip, call("file_read", 1, 0, DUMP, 16), show=16) == b"from the issuer!"
    assert one(chip, "file_create", 2, 8) == 0
    assert one(chip, "file_create", 2, 8) == EXISTS
    assert one(chip, "file_size", 2) == 8
    at = payload_at(2)
    calls = (call("file_write", 2, 3, at, 5), call("file_read", 2, 0, DUMP, 8))
    assert shown(chip, *calls, payload=b"bytes", show=8) == b"\0\0\0bytes"
    chip.reset()
    chip.select(APP)
    assert shown(chip, call("file_read", 2, 2, DUMP, 3), show=3) == b"\0by"
    assert one(chip, "file_delete", 2) == 0
    for name in ("file_size", "file_delete"):
        assert one(chip, name, 2) == NOT_FOUND
    assert one(chip, "file_read", 2, 0, 0, 0) == NOT_FOUND
    assert one(chip, "file_write", 2, 0, 0, 0) == NOT_FOUND


@pytest.mark.parametrize("identifier", [-1, 0x10000, 0x7FFFFFFF, -0x80000000])
def test_identifiers_are_16_bits(chip: Chip, identifier: int) -> None:
    for name, *rest in (
        ("file_create", 1),
        ("file_size",),
        ("file_delete",),
        ("file_read", 0, 0, 0),
        ("file_write", 0, 0, 0),
        ("counter_get",),
        ("counter_add", 1),
    ):
        assert one(chip, str(name), identifier, *(int(part) for part in rest)) == RANGE


def test_the_first_and_the_last_identifier(chip: Chip) -> None:
    for identifier in (0, 0xFFFF):
        assert one(chip, "file_create", identifier, 1) == 0
        assert one(chip, "counter_add", identifier, 1) == 1


@pytest.mark.parametrize(("size", "result"), [(0, RANGE), (-1, RANGE), (0x10000, RANGE), (1, 0)])
def test_sizes_of_files(chip: Chip, size: int, result: int) -> None:
    assert one(chip, "file_create", 2, size) == result


@pytest.mark.parametrize("name", ["file_read", "file_write"])
@pytest.mark.parametrize(
    ("offset", "size", "result"),
    [(0, 16, 0), (16, 0, 0), (15, 1, 0), (16, 1, RANGE), (17, 0, RANGE), (0, 17, RANGE), (-1, 1, RANGE), (1, -1, RANGE),
     (-1, 2, RANGE), (0x80000000, 0, RANGE)],
)  # fmt: skip
def test_only_what_is_in_a_file(chip: Chip, name: str, offset: int, size: int, result: int) -> None:
    assert one(chip, name, 1, offset, 0, size) == result


# counters


def test_counters_never_fall_below_zero_nor_overflow(chip: Chip) -> None:
    most = (1 << 63) - 1
    assert one(chip, "counter_get", 7) == 0
    assert one(chip, "counter_add", 7, -1) == RANGE
    assert one(chip, "counter_add", 7, 5) == 5
    assert one(chip, "counter_add", 7, -6) == RANGE
    assert one(chip, "counter_add", 7, most) == RANGE
    assert one(chip, "counter_add", 7, -(1 << 63)) == RANGE
    assert one(chip, "counter_add", 7, most - 5) == most
    assert one(chip, "counter_add", 7, 1) == RANGE
    assert one(chip, "counter_add", 7, -most) == 0
    assert one(chip, "counter_get", 7) == 0
    assert results(tell(chip, call("counter_add", 7, 2), call("counter_add", 7, 3), call("counter_get", 8))) == [
        2,
        5,
        0,
    ]


# passwords


def verify(chip: Chip, value: bytes) -> int:
    return one(chip, "password_verify", 1, payload_at(1), len(value), payload=value)


def test_a_password_lives(chip: Chip) -> None:
    assert one(chip, "password_status", 1) == NOT_FOUND
    assert verify(chip, b"1234") == NOT_FOUND
    assert one(chip, "password_create", 1, 4, 6, 3) == 0
    assert one(chip, "password_create", 1, 4, 6, 3) == EXISTS
    assert one(chip, "password_status", 1) == STATE
    assert verify(chip, b"1234") == STATE
    at = payload_at(1)
    for wrong in (b"123", b"1234567", b""):
        assert one(chip, "password_set", 1, at, len(wrong), payload=wrong) == RANGE
    assert one(chip, "password_set", 1, at, 4, payload=b"\0\xff12") == 0
    assert one(chip, "password_status", 1) == 3
    assert verify(chip, b"\0\xff12") == VERIFIED | 3
    assert verify(chip, b"0000") == 2
    assert verify(chip, b"12") == RANGE  # costs nothing
    assert one(chip, "password_status", 1) == 2
    assert verify(chip, b"0000") == 1
    assert verify(chip, b"\0\xff12") == VERIFIED | 3
    assert [verify(chip, b"0000") for _ in range(4)] == [2, 1, 0, BLOCKED]
    assert verify(chip, b"\0\xff12") == BLOCKED
    assert one(chip, "password_set", 1, at, 4, payload=b"4321") == 0
    assert verify(chip, b"4321") == VERIFIED | 3


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 4, 8, 3),
        (32, 4, 8, 3),
        (-1, 4, 8, 3),
        (1, 0, 8, 3),
        (1, 9, 8, 3),
        (1, 4, 65, 3),
        (1, 4, 8, 0),
        (1, 4, 8, 16),
    ],
)
def test_what_no_password_can_be(chip: Chip, arguments: tuple[int, ...]) -> None:
    assert one(chip, "password_create", *arguments) == RANGE


@pytest.mark.parametrize("end", [TRAP, ANSWER])
def test_a_spent_try_stays_spent_whatever_becomes_of_the_command(end: int) -> None:
    chip = furnished()
    one(chip, "password_set", 1, payload_at(1), 4, payload=b"1234")
    calls = (call("password_verify", 1, 0, 4), call("counter_add", 1, 1), call("file_write", 1, 0, COMMAND, 4))
    answer = tell(chip, *calls, end=end, payload=(0x6985).to_bytes(4, "little"))
    assert answer.sw == (0x6400 if end == TRAP else 0x6985)
    assert one(chip, "password_status", 1) == 2
    assert one(chip, "counter_get", 1) == 0
    # and a match that a trap takes back is a try as well: nothing can be tried for free
    tell(chip, call("password_verify", 1, payload_at(1), 4), end=TRAP, payload=b"1234")
    assert one(chip, "password_status", 1) == 1


def test_a_power_cut_during_a_comparison_leaves_the_try_spent() -> None:
    chip = furnished()
    one(chip, "password_set", 1, payload_at(1), 4, payload=b"1234")
    first = len(chip.store.commits)
    chip.store.cut = lambda number: number > first
    assert tell(chip, call("password_verify", 1, 0, 4), call("counter_add", 1, 1)).sw == 0x6581
    chip.store.cut = lambda _number: False
    chip.reset()
    chip.select(APP)
    assert one(chip, "password_status", 1) == 2
    assert one(chip, "counter_get", 1) == 0


# cryptography


def test_random_bytes_are_the_ports(chip: Chip) -> None:
    first = shown(chip, call("random", DUMP, 32), show=32)
    second = shown(chip, call("random", DUMP, 32), show=32)
    assert first != second
    twin = chip_with(probe(), parameters=b"from the issuer!")
    assert shown(twin, call("random", DUMP, 32), show=32) == first
    assert one(chip, "random", 0, 0) == 0


def test_hashes(chip: Chip) -> None:
    data = b"to be hashed"
    calls = (call("sha256", payload_at(1), len(data), DUMP),)
    assert shown(chip, *calls, payload=data, show=32) == sha256(data).digest()
    assert shown(chip, call("sha256", 0, 0, DUMP), show=32) == sha256(b"").digest()


def test_signatures_verify_and_others_do_not() -> None:
    chip = furnished()
    digest = sha256(b"message").digest()
    point = shown(chip, call("public_key", 1, DUMP), show=65)
    signature = shown(chip, call("sign", 1, payload_at(1), DUMP), payload=digest, show=64)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    encoded = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    key.verify(encoded, digest, ec.ECDSA(Prehashed(SHA256())))
    at = payload_at(1)

    def verified(*parts: bytes) -> int:
        return one(chip, "verify", at, at + 65, at + 97, payload=b"".join(parts))

    assert verified(point, digest, signature) == 1
    assert verified(point, sha256(b"other").digest(), signature) == 0
    assert verified(point, digest, bytes(64)) == 0
    assert verified(point, digest, b"\xff" * 64) == 0
    assert verified(bytes(65), digest, signature) == 0
    assert verified(b"\x04" + bytes(64), digest, signature) == 0
    assert verified(point[:1] + point[2:] + b"\0", digest, signature) == 0


def test_macs_are_of_a_key_that_nobody_is_told() -> None:
    chip = furnished()
    one_mac = shown(chip, call("mac", 2, payload_at(1), 3, DUMP), payload=b"abc", show=16)
    assert one_mac == shown(chip, call("mac", 2, payload_at(1), 3, DUMP), payload=b"abc", show=16)
    assert one_mac != shown(chip, call("mac", 2, payload_at(1), 3, DUMP), payload=b"abd", show=16)
    assert len(shown(chip, call("mac", 2, 0, 0, DUMP), show=16)) == 16


def test_keys_are_made_once_and_found_by_their_kind() -> None:
    chip = furnished()
    assert one(chip, "key_generate", 1, 1) == EXISTS
    assert one(chip, "key_generate", 2, 2) == EXISTS
    assert one(chip, "key_generate", 2, 1) == 0
    for kind in (0, 3, -1):
        assert one(chip, "key_generate", 9, kind) == RANGE
    for reference in (0, 32, -1):
        assert one(chip, "key_generate", reference, 1) == RANGE
        assert one(chip, "key_generate", reference, 2) == RANGE
        assert one(chip, "public_key", reference, 0) == RANGE
        assert one(chip, "sign", reference, 0, 0) == RANGE
        assert one(chip, "mac", reference, 0, 0, 0) == RANGE
    assert one(chip, "public_key", 3, 0) == NOT_FOUND
    assert one(chip, "sign", 3, 0, 0) == NOT_FOUND
    assert one(chip, "mac", 1, 0, 0, 0) == NOT_FOUND


# who asks


def test_the_state_of_the_channel_is_told() -> None:
    chip = chip_with(probe())
    assert one(chip, "channel") == 0
    assert one(chip, "role") == -1
    session = chip.scp03(CITY_KEYS, level=0x33)
    assert one(session, "channel") == 0x01_1F
    assert one(chip, "channel") == 0  # the same channel, but outside the session
    session = chip.scp03(CITY_KEYS, level=0x01)
    assert one(session, "channel") == 0x01_03
    assert one(session, "role") == -1
    assert one(session, "right", Right.MUNICIPAL_SERVICE) == 0


@pytest.mark.parametrize("role", Role)
def test_a_terminal_of_the_municipality_has_its_role_and_rights(role: Role) -> None:
    chip = chip_with(probe())
    key = chips.delivered().city_11a
    session = chip.scp11a(terminal(Right.MUNICIPAL_SERVICE, role=role, root=CITY_ROOT), key)
    assert one(session, "channel") == 0x11_1F
    assert one(session, "role") == list(Role).index(role)
    held = [number for number in range(-1, 12) if one(session, "right", number)]
    assert held == [Right.MUNICIPAL_SERVICE]
    assert one(chip, "role") == -1
    assert one(chip, "right", Right.MUNICIPAL_SERVICE) == 0


def test_a_terminal_of_another_municipality_has_neither() -> None:
    chip = chip_with(probe())
    stranger = terminal(Right.MUNICIPAL_SERVICE, city=OTHER_CITY, root=CITY_ROOT)
    session = chip.scp11a(stranger, chips.delivered().city_11a)
    assert one(session, "channel") == 0x11_1F
    assert one(session, "role") == -1
    assert one(session, "right", Right.MUNICIPAL_SERVICE) == 0


SELECT_APP = CommandAPDU(0, 0xA4, 4, 0, bytes(APP), 256)


def contactless(cells: dict[str, bytes]) -> EmulatorConnection:
    card = Card(MemoryStore(cells), rom(), Ports(randomness(1), strict=True))
    return EmulatorConnection(card, Interface.CONTACTLESS)


def test_the_interface_is_told() -> None:
    chip = chip_with(probe())
    assert one(chip, "interface") == 0
    connection = contactless(chip.cells)
    assert send(connection, SELECT_APP).sw == 0x9000
    assert one(connection, "interface") == 1


# rights and work


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function.right])
def test_without_its_right_a_function_ends_the_command(name: str) -> None:
    right = FUNCTIONS[name].right
    assert right is not None
    code = wat(*map(imported, FUNCTIONS), process(_call_with_zeros(name)))
    answer = chip_with(code, without(right)).ask("00100000")
    assert answer.sw == StatusWord.CONDITIONS_NOT_SATISFIED
    assert chip_with(code, limits(right)).ask("00100000").sw == 0x9000


def _call_with_zeros(name: str) -> str:
    function = FUNCTIONS[name]
    zeros = "".join("(i64.const 0)" if kind == "I" else "(i32.const 0)" for kind in function.parameters)
    return f"(drop (call ${name} {zeros})) (i32.const 0x9000)"


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if not function.right])
def test_what_needs_no_right(name: str) -> None:
    code = wat(*map(imported, FUNCTIONS), process(_call_with_zeros(name)))
    assert chip_with(code, limits()).ask("00100000").sw == 0x9000


@pytest.mark.parametrize(("kind", "right"), [(1, ApplicationRight.SIGN), (2, ApplicationRight.MAC)])
def test_a_key_is_made_by_the_right_that_uses_it(kind: int, right: ApplicationRight) -> None:
    body = f"(drop (call $key_generate (i32.const 1) (i32.const {kind}))) (i32.const 0x9000)"
    code = wat(imported("key_generate"), process(body))
    assert chip_with(code, limits(right)).ask("00100000").sw == 0x9000
    assert chip_with(code, without(right)).ask("00100000").sw == 0x6985


@pytest.mark.parametrize("right", [ApplicationRight.CONTACT, ApplicationRight.CONTACTLESS])
def test_only_through_the_interfaces_that_were_approved(right: ApplicationRight) -> None:
    rights = limits()._replace(rights=ALL_RIGHTS & ~right)
    cells = application(wat(EMPTY), rights).on(chips.delivered().cells, CITY_DOMAIN)
    by_contact, by_air = Chip(cells).select(APP), send(contactless(cells), SELECT_APP)
    refused = right is ApplicationRight.CONTACT
    assert by_contact.sw == (0x6985 if refused else 0x9000)
    assert by_air.sw == (0x9000 if refused else 0x6985)


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_no_function_can_be_called_without_end(name: str) -> None:
    """Each call costs work; the instructions alone would let millions of them pass."""
    body = f"(loop $again {_call_with_zeros(name).replace('(i32.const 0x9000)', '')} (br $again)) (i32.const 0x9000)"
    chip = chip_with(wat(*map(imported, FUNCTIONS), process(body)))
    answer = chip.ask("00100000")
    assert answer.sw == 0x6400
    assert chip.card.refusal is not None
    assert "work" in chip.card.refusal.reason or "pointer" in chip.card.refusal.reason


def test_bytes_cost_work(chip: Chip) -> None:
    """As many hashes of all the memory as there is work for them, and not one more."""
    each = FUNCTIONS["sha256"].work + PAGE // layout.WORK_BYTES
    fits = (WORK - FUNCTIONS["command"].work - 0x6000 // layout.WORK_BYTES) // each - 1
    assert tell(chip, *[call("sha256", 0, PAGE, 0)] * 10).sw == 0x9000
    assert fits > 10
    assert tell(chip, *[call("sha256", 0, PAGE, 0)] * 25).sw == 0x6400
