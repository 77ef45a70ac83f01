"""Walks over every command table: what a row says is what the chip does, for rows that do not exist yet as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jukicard.applets import catalogue
from jukicard.applets.faceverification.applet import FaceVerificationApplet
from jukicard.applets.folder.applet import FolderApplet
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.jpki.applet import JpkiApplet
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library.applet import LibraryApplet
from jukicard.applets.operator.applet import OperatorApplet
from jukicard.applets.points.applet import PointsApplet
from jukicard.applets.shared.applet import SharedApplet
from jukicard.applets.vending.applet import VendingApplet
from jukicard.card.applet import Applet
from jukicard.card.commands import (
    BOTH,
    FREE,
    INTERINDUSTRY,
    NO_DATA,
    PROPRIETARY,
    CommandTable,
    On,
    Row,
    command,
    only,
    span,
)
from jukicard.card.context import Context
from jukicard.card.system_commands import System
from jukicard.card.transaction import UndeclaredWriteError
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from tests.support import chips, facechips, folders, jpkichips, operatorchips, services
from tests.support.chips import Chip

NAMES: dict[type[Applet], tuple[AID, ...]] = {
    SecurityDomain: (chips.ISSUER, chips.JUKI_DOMAIN, chips.CITY_DOMAIN),
    JukiApplet: (chips.JUKI,),
    LibraryApplet: (chips.LIBRARY,),
    FolderApplet: (folders.FOLDER,),
    VendingApplet: (services.VENDING,),
    PointsApplet: (services.POINTS,),
    OperatorApplet: (operatorchips.OPERATOR,),
    JpkiApplet: (jpkichips.JPKI,),
    FaceVerificationApplet: (facechips.FACE,),
    SharedApplet: (facechips.SHARED,),
    System: (chips.ISSUER, chips.JUKI_DOMAIN, chips.JUKI, chips.LIBRARY),
}
ALL_ROWS = [(applet, row) for applet in NAMES for row in applet.table.rows]
INTERESTING = {*range(0x10), *range(0x80, 0x90), 0x10, 0x11, 0x13, 0x14, 0x20, 0x33, 0x34, 0x3C, 0x40, 0x7F, 0x90}
INTERESTING |= {0x91, 0x92, 0x97, 0x98, 0x9A, 0x9B, 0x9E, 0x9F, 0xA0, 0xFE, 0xFF}

PAYLOADS = [
    bytes.fromhex("B603840182"),
    jpkichips.SIGN_NAME,
    b"\x4f\x00",
    b"\x4f" + bytes((len(bytes(chips.LIBRARY)),)) + bytes(chips.LIBRARY),
    b"\x4f" + bytes((len(bytes(chips.JUKI)),)) + bytes(chips.JUKI),
    bytes(chips.LIBRARY),
    bytes.fromhex("D00101"),
    bytes.fromhex("A604830210015F250420300101"),
    bytes.fromhex("01F00100"),
    chips.install_data(LibraryApplet.module, AID(bytes(chips.LIBRARY)[:-1] + b"\x09")),
    chips.key_set_data(1, chips.JUKI_KEYS, chips.JUKI_KEYS.dek),
    chips.CODE,
    chips.PASSWORD,
    chips.PASSWORD + b"1111",
    bytes(16),
    bytes.fromhex("540100"),
    bytes.fromhex("540100530178"),
    bytes.fromhex("620B 820101 80020004 83020101"),
    bytes.fromhex("0001"),
    bytes.fromhex("5C015F"),
    bytes(32),
]


def row_id(value: object) -> str:
    if isinstance(value, Row):
        return f"{value.ins:02X}-{value.name}".replace(" ", "_")
    return value.__name__ if isinstance(value, type) else ""


def classes(row: Row) -> Iterator[int]:
    if row.classes & INTERINDUSTRY:
        yield 0x00
    if row.classes & PROPRIETARY:
        yield 0x80


def sample(values: object) -> list[int]:
    everything = [value for value in range(256) if value in values]  # type: ignore[operator]
    if len(everything) == 256:
        return [0x00, 0x01, 0x81, 0xFF]
    return everything if len(everything) <= 16 else [value for value in everything if value in INTERESTING]


def payloads(row: Row) -> list[bytes]:
    low, high = row.length.minimum, row.length.maximum
    fitting = [data for data in PAYLOADS if low <= len(data) <= high]
    many = len(sample(row.p1)) * len(sample(row.p2)) > 200
    return [bytes(low), *(fitting[:1] if many else fitting)]


def states(applet: type[Applet]) -> Iterator[tuple[str, Chip]]:
    """Chips on which nobody has authenticated, in each state of their life."""
    if applet is FolderApplet:
        yield "empty", folders.empty()
        yield "furnished by its owner", folders.owners()
        return
    if applet in (VendingApplet, PointsApplet):
        yield "without a password", Chip(services.installed(), 1)
        yield "ready", services.chip()
        return
    if applet is OperatorApplet:
        for cells in (operatorchips.in_personalisation, operatorchips.delivered, operatorchips.active):
            yield cells.__name__, Chip(cells(), 1)
        return
    if applet is JpkiApplet:
        for cells in (jpkichips.installed, jpkichips.active, jpkichips.like_a_juki_card):
            yield cells.__name__, Chip(cells(), 1)
        return
    if applet in (FaceVerificationApplet, SharedApplet):
        for cells in (facechips.installed, facechips.face_a, facechips.face_b):
            yield cells.__name__, Chip(cells(), 1)
        return
    if applet in (SecurityDomain, System):
        yield "blank", chips.blank()
    yield "in personalisation", chips.in_personalisation()
    yield "delivered", chips.delivered().chip()
    yield "active", chips.active().chip()


def one_chip(applet: type[Applet]) -> Chip:
    """A chip with the application on it."""
    if applet in (VendingApplet, PointsApplet):
        return services.chip()
    if applet is OperatorApplet:
        return Chip(operatorchips.active(), 1)
    if applet is JpkiApplet:
        return Chip(jpkichips.active(), 1)
    if applet in (FaceVerificationApplet, SharedApplet):
        return Chip(facechips.face_b(), 1)
    return folders.empty() if applet is FolderApplet else chips.delivered().chip()


def test_the_walks_cover_every_module_in_rom() -> None:
    assert set(catalogue.BUILT_IN) | {System} == set(NAMES)
    assert len(ALL_ROWS) > 35


# What an object's own rule opens to everybody, by application and by command; everything else stays shut.
OPEN_DOORS = {
    (chips.ISSUER, "READ BINARY"): {0x81, 0x9E},  # EF.ATR/INFO, EF.DIR
    (chips.JUKI, "READ BINARY"): {0x82},  # EF.CERTIFICATES
    (operatorchips.OPERATOR, "READ BINARY"): {0x82},  # EF.CERTIFICATES
    (jpkichips.JPKI, "READ BINARY"): {0x82, 0x86, 0x88, 0x8A, 0x8B},  # all but the holder's signature certificate
    (facechips.FACE, "READ BINARY"): {0x83, 0x84},  # basic record and certificates
    (facechips.SHARED, "READ RECORD"): {0x00, 0x01},  # all there is
    (chips.JUKI, "INTERNAL AUTHENTICATE"): {0x00},  # with the certified authentication key
}
WITHOUT_OBJECTS = {(JukiApplet, 0xB2), (JukiApplet, 0xDC), (JukiApplet, 0xE2), (FolderApplet, 0x2A)}
"""Rows without an object here: the Juki application has no files with records; a signature key would have been named by
a command before.
"""
REFUSALS = {0x6700, 0x6981, 0x6982, 0x6984, 0x6985, 0x6986, 0x6A80, 0x6A82, 0x6A83, 0x6A86, 0x6A88, 0x6B00}


def free_of_charge(row: Row, data: bytes) -> bool:
    return isinstance(row.access, On) and row.access.free_when_empty and not data


OPEN_TO_ALL = {(JpkiApplet, 0x20), (FaceVerificationApplet, 0x20)}
"""Whoever has the card tries the passwords of JPKI, and the reference numbers, and uses tries up: so the real one has
it.
"""
GUARDED = [(applet, row) for applet, row in ALL_ROWS if row.access != FREE and (applet, row.ins) not in OPEN_TO_ALL]


@pytest.mark.parametrize(("applet", "row"), GUARDED, ids=row_id)
def test_a_guarded_row_refuses_whoever_has_not_authenticated(applet: type[Applet], row: Row) -> None:
    opened: dict[tuple[AID, str], set[int]] = {}
    reached = 0
    for state, chip in states(applet):
        for aid in NAMES[applet]:
            if chip.select(aid).sw != 0x9000:
                assert state == "blank"
                continue
            before = chip.cells
            for cla in classes(row):
                for p1 in sample(row.p1):
                    for p2 in sample(row.p2):
                        for data in payloads(row):
                            if free_of_charge(row, data):
                                continue
                            answer = chip.ask(CommandAPDU(cla, row.ins, p1, p2, data, 256).encode())
                            if answer.sw == 0x9000:
                                opened.setdefault((aid, row.name), set()).add(p1)
                                continue
                            assert answer.sw in REFUSALS, f"{state}: {row.name} {p1:02X}{p2:02X}: {answer.sw:04X}"
                            assert not answer.data
                            reached += answer.sw == 0x6982
            assert chip.cells == before, f"{state}: {row.name} changed something"
    here = {key: doors for key, doors in OPEN_DOORS.items() if key[1] == row.name and key[0] in NAMES[applet]}
    assert opened == here
    assert reached or opened or (applet, row.ins) in WITHOUT_OBJECTS, "the walk does not reach what the row is about"


@pytest.mark.parametrize(("applet", "row"), ALL_ROWS, ids=row_id)
def test_every_p1_p2_outside_the_rows_is_6a86(applet: type[Applet], row: Row) -> None:
    chip = one_chip(applet)
    chip.select(NAMES[applet][0])
    before = chip.cells
    good = (next(v for v in range(256) if v in row.p1), next(v for v in range(256) if v in row.p2))
    pairs = {(p1, p2) for p1 in range(256) for p2 in (good[1], 0x6D)}
    pairs |= {(p1, p2) for p2 in range(256) for p1 in (good[0], 0x6D)}
    tried = 0
    for cla in classes(row):
        rows = applet.table.find(cla, row.ins)
        assert row in rows
        for p1, p2 in sorted(pairs):
            if not any(p1 in other.p1 and p2 in other.p2 for other in rows):
                tried += 1
                assert chip.ask(bytes((cla, row.ins, p1, p2))).sw == 0x6A86
    assert tried or all(len(row.p1) == len(row.p2) == 256 for row in rows)
    assert chip.cells == before


@pytest.mark.parametrize(("applet", "row"), ALL_ROWS, ids=row_id)
def test_wrong_lengths_are_6700(applet: type[Applet], row: Row) -> None:
    chip = one_chip(applet)
    chip.select(NAMES[applet][0])
    before = chip.cells
    p1, p2 = (next(v for v in range(256) if v in values) for values in (row.p1, row.p2))
    wrong = [row.length.minimum - 1, row.length.maximum + 1]
    for cla in classes(row):
        for size in wrong:
            if 0 <= size <= 0xFFFF:
                command = CommandAPDU(cla, row.ins, p1, p2, bytes(size)).encode()
                assert chip.ask(command).sw == 0x6700, f"{row.name}: {size} bytes"
    assert chip.cells == before


def homes(applet: type[Applet], *, proprietary: bool, ins: int) -> list[CommandTable]:
    """The tables in which a command of this class is looked for."""
    tables = [applet.table, System.table]
    if proprietary and ins in applet.forwarded and not applet.is_domain:
        tables.append(SecurityDomain.table)
    return tables


@pytest.mark.parametrize("applet", [applet for applet in NAMES if applet is not System], ids=row_id)
def test_an_instruction_without_a_row_is_6d00_and_in_the_other_class_6e00(applet: type[Applet]) -> None:
    chip = one_chip(applet)
    chip.select(NAMES[applet][0])
    seen = set()
    for cla in (0x00, 0x80):
        for ins in range(256):
            tables = homes(applet, proprietary=bool(cla), ins=ins)
            answer = chip.ask(bytes((cla, ins, 0x6D, 0x6D))).sw
            if any(table.find(cla, ins) for table in tables):
                expected = answer if answer not in (0x6D00, 0x6E00) else 0
            else:
                expected = 0x6E00 if any(table.find(cla ^ 0x80, ins) for table in tables) else 0x6D00
            assert answer == expected, f"{cla:02X} {ins:02X}: {answer:04X}"
            seen.add(answer)
    assert {0x6D00, 0x6E00} <= seen


class _Rows(Applet):
    load_file = module = AID(b"tests")
    label = "rows"

    @command(INTERINDUSTRY, ins=0x10, p1=span(0, 5), p2=only(1), length=NO_DATA, access=FREE, writes=False, spec="-")
    def first(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        return ResponseAPDU()


def _second(**changes: object) -> type:
    row: dict[str, object] = {"classes": INTERINDUSTRY, "ins": 0x10, "p1": span(0, 5), "p2": only(1), **changes}

    class Second(_Rows):
        @command(**row, length=NO_DATA, access=FREE, writes=False, spec="-")  # type: ignore[arg-type]
        def second(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
            return ResponseAPDU()

    return Second


@pytest.mark.parametrize("changes", [{}, {"p1": only(5, 9)}, {"p2": span(0, 255)}, {"classes": BOTH}])
def test_rows_that_collide_make_no_class(changes: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="'FIRST' and 'SECOND'"):
        _second(**changes)


@pytest.mark.parametrize("changes", [{"ins": 0x11}, {"p1": only(6)}, {"p2": only(0)}, {"classes": PROPRIETARY}])
def test_rows_that_differ_live_together(changes: dict[str, object]) -> None:
    assert {row.name for row in _second(**changes).table.rows} == {"FIRST", "SECOND"}  # type: ignore[attr-defined]


def test_access_has_no_default() -> None:
    with pytest.raises(TypeError, match="access"):
        command(INTERINDUSTRY, ins=0x10, length=NO_DATA, writes=False, spec="-")  # type: ignore[call-arg]


def test_writes_has_no_default() -> None:
    with pytest.raises(TypeError, match="writes"):
        command(INTERINDUSTRY, ins=0x10, length=NO_DATA, access=FREE, spec="-")  # type: ignore[call-arg]


def _secret_writer(how: str) -> Chip:
    """A chip with an application that says that it writes nothing, and writes in the way `how` says."""

    class SecretWriter(Applet):
        load_file = module = AID(b"\xf0secret")
        label = "writer"

        @command(INTERINDUSTRY, ins=0x10, length=NO_DATA, access=FREE, writes=False, spec="-")
        def harmless(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
            getattr(ctx.area, how)("secret", b"1")
            return ResponseAPDU()

    chip = Chip(chips.blank().cells, 0, SecretWriter)
    data = chips.install_data(SecretWriter.module, SecretWriter.module, load_file=SecretWriter.load_file)
    chips.say(chip.scp03(chips.TRANSPORT_KEYS), 0x80, 0xE6, 0x0C, 0x00, data, sw=0x9000)
    chip.select(SecretWriter.module)
    return chip


@pytest.mark.parametrize("how", ["write", "spend", "give_back"])
def test_a_row_that_says_that_it_writes_nothing_cannot(how: str) -> None:
    chip = _secret_writer(how)
    before = chip.cells
    with pytest.raises(UndeclaredWriteError):
        chip.ask("00 10 00 00")
    assert chip.cells == before


def expected_for_class(cla: int) -> int:
    """What GET CHALLENGE (interindustry) answers under each class byte, only the basic channel being open."""
    if cla == 0xFF or cla & 0x60 == 0x20:
        return 0x6E00
    channel = 4 + (cla & 0x0F) if cla & 0x40 else cla & 0x03
    if channel:
        return 0x6881
    if cla & 0x08:
        return 0x6882  # ISO/IEC 7816-4's own secure messaging
    if cla & 0x80 and (cla & 0x10 or not cla & 0x04):
        return 0x6E00  # no such instruction in this class
    if cla & 0x10:
        return 0x9000  # a link of a chain
    return 0x6982 if cla & 0x04 else 0x9000


@pytest.mark.parametrize("make", [chips.blank, lambda: chips.active().chip()], ids=["blank", "active"])
def test_all_256_class_bytes(make: object) -> None:
    for cla in range(256):
        chip = make()  # type: ignore[operator]
        answer = chip.ask(bytes((cla, 0x84, 0x00, 0x00, 0x08)))
        assert answer.sw == expected_for_class(cla), f"{cla:02X}: {answer.sw:04X}"
        assert len(answer.data) == (8 if cla == 0 else 0)


def test_channels_answer_from_their_opening_to_their_closing() -> None:
    chip = chips.blank()
    for number in (1, 2, 3):
        challenge = bytes((number, 0x84, 0, 0, 8))
        assert chip.ask(challenge).sw == 0x6881
        assert chip.ask(bytes((number, 0xA4, 4, 0))).sw == 0x6881  # nor does SELECT open one
        chip.open_channel(number)
        assert chip.ask(challenge).sw == 0x9000
        assert chip.ask(bytes((0, 0x70, 0, number))).sw == 0x6A81
    assert chip.ask("00 70 00 00 01").sw == 0x6A81
    for number in (1, 2, 3):
        assert chip.ask(bytes((number, 0x70, 0x80, 0))).sw == 0x9000
        assert chip.ask(bytes((number, 0x84, 0, 0, 8))).sw == 0x6881
        assert chip.ask(bytes((0, 0x70, 0x80, number))).sw == 0x6200
    assert chip.ask("00 70 80 00").sw == 0x6A81
    assert chip.ask("00 70 00 00 01") == ResponseAPDU(b"\x01")
    chip.reset()
    assert chip.ask("01 84 00 00 08").sw == 0x6881
