"""No sequence of byte strings makes the chip raise, or answer fewer than two bytes, or tell data with a refusal."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from jukicard.applets.folder.applet import FolderApplet
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library.applet import LibraryApplet
from jukicard.card.applet import Applet
from jukicard.card.commands import PROPRIETARY, ByteSet, Row
from jukicard.card.system_commands import System
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.errors import HostError
from jukicard.securechannel.host import SecureConnection
from jukicard.securechannel.scp03 import TRANSPORT_KEYS
from tests.support import bench, chips, folders
from tests.support.chips import Chip, static_keys, terminal

TABLES = (SecurityDomain, JukiApplet, LibraryApplet, FolderApplet, System, bench.Bench)
ROWS = [row for applet in TABLES for row in applet.table.rows]
NAMES: dict[AID, type[Applet]] = {
    chips.ISSUER: SecurityDomain,
    chips.JUKI_DOMAIN: SecurityDomain,
    chips.JUKI: JukiApplet,
    chips.CITY_DOMAIN: SecurityDomain,
    chips.LIBRARY: LibraryApplet,
    folders.FOLDER: FolderApplet,
    bench.AID_BENCH: bench.Bench,
}


def named(aid: AID) -> bytes:
    return bytes((len(bytes(aid)),)) + bytes(aid)


AGREEMENT = bytes.fromhex("A60D9002110195013C8001888101105F4941")
CERTIFICATES = [*terminal(*sorted(chips.ALL_RIGHTS)).certificates, *chips.service_terminal().certificates]
FIELDS = [
    *map(bytes, NAMES),
    *(b"\x4f" + named(aid) for aid in NAMES),
    *(b"\0\0" + named(aid) + b"\0\0\0" for aid in NAMES),
    chips.install_data(LibraryApplet.module, AID(b"\xf0another")),
    chips.install_data(JukiApplet.module, AID(b"\xf0another")),
    chips.install_data(SecurityDomain.module, AID(b"\xf0another"), b"\x80\x40\x00"),
    *(bytes.fromhex(text) for text in ("B603840182", "4F00", "D00111", "D20101", "D00101D201FF", "01F00100", "3F00")),
    *(bytes.fromhex(text) for text in ("A604830210015F250420300101", "A6048302110142021234", "A60483021101BF2100")),
    *(bytes.fromhex(text) for text in ("A60483021001700493021234", "A6088001004201AA83021101", "450812345678")),
    chips.key_set_data(1, static_keys("fuzz"), TRANSPORT_KEYS.dek),
    chips.key_set_data(2, static_keys("fuzz", 32), chips.ISSUER_KEYS.dek),
    b"\x05\xb0\x41" + chips.active().juki_11a + b"\xf0\x01\0\0",
    AGREEMENT + chips.active().juki_11a,
    AGREEMENT.replace(b"\x11\x01", b"\x11\x00") + chips.active().juki_11b,
    *CERTIFICATES,
    chips.CODE,
    chips.CARD_DATA,
    chips.PASSWORD,
    chips.PASSWORD * 2,
    b"99202",
    *(
        bytes.fromhex(text)
        for text in (
            "54020001",
            "540100530161",
            "54010054020005",
            "621582010180020004830201018801 08AB0580017F9000",
            "62158205024100040383020102880110AB0580017F9000",
            "620E82013883020C00AB0580017F9000",
            "0B00",
            "3FFF0B00",
            "0A000A010004",
            "0001",
            "5C045F507BC1",
            "830191",
            "840193",
            "B603840193",
            "620DA4068301859501088003040803",
            "6208B606840196950140",
        )
    ),
    folders.KEY_IMPORT,
    bytes(32),
    bytes(8),
    bytes(16),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A well-formed data field with a few bytes changed, cut off, doubled or added."""
    field = bytearray(draw(st.sampled_from(FIELDS)))
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, max(0, len(field) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if field:
                field[position] = draw(st.integers(0, 255))
            case 1:
                del field[position:]
            case 2:
                field += field[position:]
            case _:
                field[position:position] = draw(st.binary(max_size=4))
    return bytes(field)


def members(values: ByteSet) -> list[int]:
    return [value for value in range(256) if value in values]


fields = st.one_of(st.just(b""), st.sampled_from(FIELDS), mutated(), st.binary(max_size=40), st.binary(max_size=300))
lengths = st.sampled_from([None, 1, 2, 5, 16, 255, 256, 257, 65535, 65536])


@st.composite
def sensible(draw: st.DrawFn, applet: type[Applet]) -> CommandAPDU:
    """A command that the application knows, with parameters and mostly a data field that it takes."""
    row: Row = draw(st.sampled_from([*applet.table.rows, *System.table.rows[:2]]))
    p1, p2 = (draw(st.sampled_from(members(values))) for values in (row.p1, row.p2))
    fitting = [field for field in FIELDS if row.length.minimum <= len(field) <= row.length.maximum]
    data = draw(st.one_of(st.sampled_from(fitting or [b""]), st.binary(max_size=row.length.minimum + 20), mutated()))
    return CommandAPDU(0x80 if row.classes & PROPRIETARY else 0x00, row.ins, p1, p2, data, draw(lengths))


@st.composite
def commands(draw: st.DrawFn) -> CommandAPDU:
    """A command of some row: its class, mostly its parameters, any data, any Lc and Le form, channel, chaining."""
    row: Row = draw(st.sampled_from(ROWS))
    cla = 0x80 if row.classes & PROPRIETARY and draw(st.booleans()) else 0x00
    cla |= draw(st.sampled_from([0, 0, 0, 0, 0x10, 0x01, 0x11, 0x02, 0x04, 0x0C, 0x80]))
    p1, p2 = (draw(st.one_of(st.sampled_from(members(values)), st.integers(0, 255))) for values in (row.p1, row.p2))
    return CommandAPDU(cla, row.ins, p1, p2, draw(fields), draw(lengths), draw(st.booleans()))


Opener = Callable[[Chip], SecureConnection]
ISSUED = chips.active()
OPENERS: dict[str, tuple[Opener, type[Applet]]] = {
    "blank": (lambda chip: (chip.select(chips.ISSUER), chip.scp03(TRANSPORT_KEYS))[1], SecurityDomain),
    "issuer": (lambda chip: (chip.select(chips.ISSUER), chip.scp03(chips.ISSUER_KEYS))[1], SecurityDomain),
    "juki domain": (lambda chip: (chip.select(chips.JUKI_DOMAIN), chip.scp03(chips.JUKI_KEYS))[1], SecurityDomain),
    "city domain": (lambda chip: (chip.select(chips.CITY_DOMAIN), chip.scp03(chips.CITY_KEYS))[1], SecurityDomain),
    "juki": (lambda chip: (chip.select(chips.JUKI), chip.scp03(chips.JUKI_KEYS))[1], JukiApplet),
    "counter": (lambda chip: chips.juki_session(chip, *sorted(chips.ALL_RIGHTS)), JukiApplet),
    "library": (chips.library_session, LibraryApplet),
    "folder": (lambda chip: (chip.select(folders.FOLDER), chip.scp03(chips.CITY_KEYS))[1], FolderApplet),
    "bench": (lambda chip: (chip.select(bench.AID_BENCH), chip.scp03(chips.CITY_KEYS))[1], bench.Bench),
}

Step = CommandAPDU | tuple[str, object] | tuple[str, object, list[CommandAPDU]]


def dialogue(kind: str, argument: object, applet: type[Applet]) -> st.SearchStrategy[Step]:
    """Select an application, or open a session with it, and then ask it what it knows."""
    return st.tuples(st.just(kind), st.just(argument), st.lists(sensible(applet), max_size=8))


steps: st.SearchStrategy[Step] = st.one_of(
    commands(),
    st.tuples(st.just("in session"), commands()),
    st.sampled_from(sorted(NAMES)).flatmap(lambda aid: dialogue("select", aid, NAMES[aid])),
    st.sampled_from(sorted(OPENERS)).flatmap(lambda name: dialogue("open", name, OPENERS[name][1])),
    st.sampled_from(sorted(OPENERS)).flatmap(lambda name: dialogue("open", name, OPENERS[name][1])),
    st.tuples(st.just("raw"), st.binary(max_size=300)),
    st.just(("reset", None)),
)
MAKERS: dict[str, Callable[[], Chip]] = {
    "blank": lambda: chips.blank(1, 0, bench.Bench),
    "personalisation": chips.in_personalisation,
    "delivered": lambda: chips.delivered().chip(1, bench.Bench),
    "active": bench.bench,
    "furnished": lambda: folders.furnished(1, bench.Bench),
}


class Run:
    """One chip and the host's session with it."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.session: SecureConnection | None = None

    def do(self, step: Step) -> None:
        if isinstance(step, CommandAPDU):
            self.chip.transmit(step.encode())
            return
        kind, argument, *following = step
        if kind == "reset":
            self.chip.reset()
        elif kind == "raw":
            self.chip.transmit(argument)  # type: ignore[arg-type]
        elif kind == "select":
            self.chip.select(argument)  # type: ignore[arg-type]
            for command in following[0]:
                self.chip.transmit(command.encode())
        elif kind == "in session":
            self._in_session(argument)  # type: ignore[arg-type]
        else:
            self._open(argument)  # type: ignore[arg-type]
            for command in following[0]:
                self._in_session(command)

    def _open(self, name: str) -> None:
        try:
            self.session = OPENERS[name][0](self.chip)
        except (HostError, AssertionError):
            self.session = None

    def _in_session(self, command: CommandAPDU) -> None:
        if self.session is None:
            return
        plain = command._replace(cla=command.cla & 0x83, extended=False)
        try:
            self.session.transmit(plain.encode())
        except (HostError, ValueError):
            self.session = None  # the card ended it, or the command cannot be protected


def check(chip: Chip) -> None:
    for command, answer in chip.exchanges:
        assert len(answer) >= 2
        status = answer[-2]
        assert 0x61 <= status <= 0x6F or status == 0x90, f"{command[:4].hex()}: {answer[-2:].hex()}"
        assert len(answer) == 2 or status in (0x61, 0x62, 0x63, 0x90), f"{command[:4].hex()}: data with a refusal"


@given(st.sampled_from(sorted(MAKERS)), st.lists(steps, min_size=3, max_size=12))
def test_the_chip_answers_whatever_comes(maker: str, sequence: list[Step]) -> None:
    run = Run(MAKERS[maker]())
    for step in sequence:
        run.do(step)
    check(run.chip)
    again = Chip(run.chip.cells, 5, bench.Bench)
    assert again.ask("00 A4 04 00").sw == 0x9000
    assert again.ask("00 A4 04 00 00").data[:1] == b"\x6f"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_the_chip_answers_any_bytes(sequence: list[bytes]) -> None:
    chip = ISSUED.chip()
    before = chip.cells
    for raw in sequence:
        chip.transmit(raw)
    check(chip)
    assert {name for name, value in chip.cells.items() if before.get(name) != value} <= {
        name for name in chip.cells if "/seq/" in name
    }


@given(mutated(), st.booleans())
def test_any_certificate_is_answered(der: bytes, last: bool) -> None:
    chip = ISSUED.chip()
    chip.select(chips.JUKI)
    if last:
        chip.ask(CommandAPDU(0x80, 0x2A, chips.KVN, 0x90, CERTIFICATES[0]).encode())
    answer = chip.ask(CommandAPDU(0x80, 0x2A, chips.KVN, 0x10 if last else 0x90, der, extended=True).encode())
    assert answer.sw in (0x9000, 0x6982, 0x6700)
    assert (answer.sw == 0x9000) <= (der in CERTIFICATES)
