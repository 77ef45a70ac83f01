"""The prepared cards that scenarios begin with, as cells; and a chip on a card file whose commands are remembered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from jukicard.applets.folder.client import FolderClient, record_ef
from jukicard.applets.gp import layout as gp
from jukicard.applets.library import layout as library
from jukicard.applets.points import layout as points
from jukicard.applets.vending import layout as vending
from jukicard.card.card import Card
from jukicard.card.ports import Ports
from jukicard.iso7816.aid import AID
from jukicard.securechannel.authorization import Right
from jukicard.testing.seeds import randomness
from tests.powercuts.timeline import Timeline
from tests.support import chips, folders, services
from tests.support.chips import Chip, say
from tests.support.purses import Bench

Cells = Mapping[str, bytes]
SECOND_LIBRARY = AID(bytes(chips.LIBRARY)[:-1] + b"\x09")
NEW_VENDING, NEW_POINTS = (
    AID(bytes(aid)[:-2] + b"\x09" + bytes(aid)[-1:]) for aid in (services.VENDING, services.POINTS)
)
EMPTY_DOMAIN = gp.municipal_domain_aid(chips.OTHER_CITY)
LOAN = b"0001" + b"9784000000000" + b"20240701" + b"L"


class CutChip(Chip):
    """A chip on a card file whose power will be cut."""

    def __init__(self, timeline: Timeline, seed: object) -> None:
        super().__init__({}, seed)
        self.store = timeline  # type: ignore[assignment]
        ports = Ports(randomness(("card", seed)), delay=self.delays.append, strict=True)
        self.card = timeline.watch(Card(timeline, chips.rom(), ports))  # type: ignore[assignment]
        self.atr = self.card.power_on()


def blank() -> Cells:
    """As the chip's maker delivers it."""
    return chips.blank().cells


def in_personalisation() -> Cells:
    """All domains, keys and applications are there; the Juki application is open, and empty."""
    return chips.in_personalisation().cells


@lru_cache(maxsize=1)
def written() -> Cells:
    """All of the Juki application is written, and it is still open."""
    chip = chips.in_personalisation()
    chip.select(chips.JUKI)
    chips.write_juki(chip.scp03(chips.JUKI_KEYS))
    return chip.cells


def delivered() -> Cells:
    """Waiting for its holder."""
    return chips.delivered().cells


def active() -> Cells:
    """In its holder's hands, with the library; both passwords are set."""
    return chips.active().cells


@lru_cache(maxsize=1)
def a_try_fewer() -> Cells:
    """Active; of each password a try was used up, and of COMPARE BINARY, so that old, new and spent all differ."""
    chip = chips.active().chip("a try fewer")
    session = chips.juki_session(chip, Right.MATCH)
    assert chips.verify(session, chips.WRONG_PASSWORD) == 0x63C2
    say(session, 0, 0x33, 0x81, 0, b"99999999999", sw=0x63C4)
    assert chips.verify(chips.library_session(chip), chips.WRONG_PASSWORD) == 0x63C2
    return chip.cells


@lru_cache(maxsize=1)
def the_last_try() -> Cells:
    """Active; one try is left of each password."""
    chip = Chip(a_try_fewer(), "the last try")
    assert chips.verify(chips.juki_session(chip), chips.WRONG_PASSWORD) == 0x63C1
    assert chips.verify(chips.library_session(chip), chips.WRONG_PASSWORD) == 0x63C1
    return chip.cells


@lru_cache(maxsize=1)
def suspended() -> Cells:
    """Suspended at the counter (一時停止)."""
    chip = chips.active().chip("suspended")
    say(chips.juki_session(chip, Right.SUSPEND), 0, 0x04, sw=0x9000)
    return chip.cells


@lru_cache(maxsize=1)
def with_a_loan() -> Cells:
    """Active, with a record in the library's EF.LOANS."""
    chip = chips.active().chip("a loan")
    session = chips.library_session(chip)
    assert chips.verify(session) == 0x9000
    say(session, 0, 0xE2, 0, library.EF_LOANS << 3, LOAN, sw=0x9000)
    return chip.cells


@lru_cache(maxsize=1)
def half_installed() -> Cells:
    """Active, with a second library that is installed and not selectable, and a domain without keys of its own."""
    chip = chips.active().chip("half installed")
    chip.select(chips.CITY_DOMAIN)
    data = chips.install_data(library.MODULE, SECOND_LIBRARY)
    say(chip.scp03(chips.CITY_KEYS), 0x80, 0xE6, 0x04, 0x00, data, 256, sw=0x9000)
    chip.select(chips.ISSUER)
    chips.install(chip.scp03(chips.ISSUER_KEYS), gp.DOMAIN_MODULE, EMPTY_DOMAIN, b"\xc0\x40\x00")
    return chip.cells


# --- with a folder

LINEAR, CYCLIC = 0x0011, 0x0012
"""EFs of records, which anybody reads and writes; the linear one has room, the cyclic one has none."""
NEW_KEY_PAIR, OWNERS_PASSWORD = 0x95, 0x82
"""A key pair that is not generated yet; a password that the owner resets."""


@lru_cache(maxsize=1)
def with_a_folder() -> Cells:
    """Active, with a furnished folder; of everything that counts its tries there one was used up."""
    chip = Chip(folders.furnished_cells(), "a folder")
    folder = folders.owner(chip)
    for fid, kind, room in ((LINEAR, 0x04, 3), (CYCLIC, 0x06, 2)):
        folder.create(record_ef(fid, kind, 4, room, folders.ANYTHING, sfi=fid))
        for record in (b"\x01old", b"\x02new"):
            folder.append(record)
    _make_keys(folder)
    _fill_what_is_guarded(folder)
    plain = folders.client(chip).connection
    say(plain, 0, 0x33, 0x80 | folders.COUNTED, 0, b"5678", sw=0x63C2)
    assert folders.prove(plain, folders.proof(folders.challenge(plain), key=bytes(16))) == 0x63C2
    for reference in (folders.PASSWORD, OWNERS_PASSWORD):
        say(plain, 0, 0x20, 0, reference, chips.WRONG_PASSWORD, sw=0x63C2)
    return chip.cells


def _make_keys(folder: FolderClient) -> None:
    folder.make_signature_key(NEW_KEY_PAIR, folders.rules((0x47, folders.OWNER), (0xDB, folders.OWNER)))
    reset = folders.rules((0x20, folders.ALWAYS), (0x24, folders.OWNER), (0x2C, folders.OWNER))
    folder.make_password(OWNERS_PASSWORD, 4, 8, 3, reset)
    folder.set_initial_password(OWNERS_PASSWORD, chips.PASSWORD)


def _fill_what_is_guarded(folder: FolderClient) -> None:
    folder.select_path()
    folder.update(b"1234", sfi=folders.COUNTED)
    folder.verify(folders.PASSWORD, folders.PASSWORD_VALUE)
    folder.update(b"a private note..", sfi=folders.PRIVATE)


@lru_cache(maxsize=1)
def the_last_try_of_a_folder() -> Cells:
    """With a folder; one try is left of its password, its key and its counted file."""
    chip = Chip(with_a_folder(), "the last try of a folder")
    plain = folders.client(chip).connection
    say(plain, 0, 0x33, 0x80 | folders.COUNTED, 0, b"5678", sw=0x63C1)
    assert folders.prove(plain, folders.proof(folders.challenge(plain), key=bytes(16))) == 0x63C1
    for reference in (folders.PASSWORD, OWNERS_PASSWORD):
        say(plain, 0, 0x20, 0, reference, chips.WRONG_PASSWORD, sw=0x63C1)
    return chip.cells


@lru_cache(maxsize=1)
def with_a_deactivated_folder() -> Cells:
    """With a folder whose own DF is deactivated."""
    chip = Chip(with_a_folder(), "deactivated")
    say(folders.owner(chip).connection, 0, 0x04, sw=0x9000)
    return chip.cells


# --- with vending and points


def with_services() -> Cells:
    """Active, with certificate vending and community points, which are ready for use."""
    return services.ready()


@lru_cache(maxsize=1)
def with_new_services() -> Cells:
    """Active, with both installed again beside them and without keys."""
    chip = services.chip(seed="new services")
    chip.select(chips.CITY_DOMAIN)
    session = chip.scp03(chips.CITY_KEYS)
    chips.install(session, vending.MODULE, NEW_VENDING)
    chips.install(session, points.MODULE, NEW_POINTS)
    return chip.cells


@lru_cache(maxsize=1)
def with_a_payment_under_way() -> Cells:
    """With services; card 1 has begun a payment to card 2, and a payment of card 2 to it is not confirmed."""
    bench = Bench()
    begin(bench, 2, 1)
    decision = receive(bench, 2, 1)
    bench.clients[2].finish(decision)
    begin(bench, 1, 2)
    return bench.chips[1].cells


def begin(bench: Bench, payer: int, payee: int) -> None:
    """Invite and pay 30 points."""
    entry, invitation = bench.clients[payee].invite(services.member_number(payer), 30)
    bench.clients[payer].pay(bench.member(payee), entry, 30, invitation)


def receive(bench: Bench, payer: int, payee: int) -> tuple[bool, bytes]:
    """Have the payee decide on the payment under way."""
    held = bench.held(payer)
    assert held is not None
    return bench.clients[payee].receive(bench.member(payer), bench.clients[payer].voucher(), held)


@lru_cache(maxsize=1)
def messages() -> dict[str, bytes]:
    """The data fields of the commands that another card's messages are in, for card 1 as it is in the cards above."""
    invited = Bench()
    entry, invitation = invited.clients[2].invite(services.member_number(1), 30)
    other = invited.member(2).encode()
    found = {"pay": other + entry.to_bytes(4) + (30).to_bytes(4) + invitation}
    begin(invited, 2, 1)
    number, voucher = invited.clients[2].voucher()
    found["receive"] = other + number.to_bytes(4) + bytes(4) + (30).to_bytes(4) + voucher
    under_way = Bench()
    begin(under_way, 2, 1)
    number, finished = under_way.clients[2].finish(receive(under_way, 2, 1))
    found["confirm"] = other + number.to_bytes(4) + finished
    begin(under_way, 1, 2)
    accepted, signature = receive(under_way, 1, 2)
    found["finish"] = bytes((accepted,)) + signature
    return found
