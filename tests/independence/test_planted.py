"""Leaks planted in the chip, one of each kind, are caught by the comparison, each within a short run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from jukicard.applets.gp import channel_commands
from jukicard.applets.gp.keystore import DomainKeys, KeyReference
from jukicard.applets.wasm.host import Host
from jukicard.card import card as card_module
from jukicard.card import dispatch, registry
from jukicard.card.context import Services
from jukicard.card.errors import CardError
from jukicard.card.memory import Memory
from jukicard.card.volatile import Channel
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord
from tests.fuzz import people
from tests.independence.cases import Case, failure, run_case, shrink, written
from tests.independence.focus import NOTHING, Focus
from tests.independence.pairs import Seen
from tests.independence.secrets import CITY, FACE, JPKI, JUKI, SERVICE, STARTS
from tests.support import facechips, jpkichips, locker

SEED = 20260401
MAX_CASES = 150
ISSUER, JUKI_APPLICATION, LIBRARY = 1, 4, 5
CODE, STATE, TRIES, LOANS = "a/0004/f/0001/d", "a/0004/f/0007/d", "a/0004/p/81/t", "a/0005/f/0002/d"
COUNTED = "a/0007/w/c/0001"
READ_BINARY, VERIFY, GET_DATA, GET_STATUS = 0xB0, 0x20, 0xCA, 0xF2

Execute = Callable[[CommandAPDU, Any, Channel, Services], ResponseAPDU]


def found_in(kind: str, about: Focus = NOTHING, maximum: int = MAX_CASES) -> Case | None:
    warnings.simplefilter("ignore")
    seen = Seen()
    for number in range(maximum):
        case = run_case(SEED, number, kind, seen, about=about)
        if case is not None:
            return case
    return None


def around(patch: pytest.MonkeyPatch, leak: Callable[[Execute, CommandAPDU, Channel, Services, Any], Any]) -> None:
    """Put a leak around the execution of every command."""
    honest = dispatch.execute

    def execute(cmd: CommandAPDU, session: Any, channel: Channel, services: Services) -> ResponseAPDU:
        return leak(honest, cmd, channel, services, session)

    patch.setattr(dispatch, "execute", execute)
    patch.setattr(card_module, "execute", execute)


def in_the_length(patch: pytest.MonkeyPatch) -> None:
    """Answers in other areas are longer while the holder's password has lost tries."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        response = honest(cmd, session, channel, services)
        lost = services.store.read(TRIES) in (b"\0", b"\1", b"\2")
        if cmd.ins == READ_BINARY and channel.application != JUKI_APPLICATION and lost and response.data:
            return response._replace(data=response.data + bytes(16))
        return response

    around(patch, leak)


def in_the_data(patch: pytest.MonkeyPatch) -> None:
    """The municipality's domain tells a digit of the resident code."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        response = honest(cmd, session, channel, services)
        code = services.store.read(CODE)
        if cmd.ins == GET_DATA and channel.application == LIBRARY and response.data and code:
            return response._replace(data=response.data[:-1] + code[-1:])
        return response

    around(patch, leak)


def in_the_status_word(patch: pytest.MonkeyPatch) -> None:
    """A service refuses a password otherwise while the Juki application is suspended."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        suspended = (services.store.read(STATE) or b"\0")[0] == 3
        if cmd.ins == VERIFY and channel.application == LIBRARY and suspended:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "planted")
        return honest(cmd, session, channel, services)

    around(patch, leak)


def in_the_channels(patch: pytest.MonkeyPatch) -> None:
    """A password that is tried on one logical channel ends the sessions on the others."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        if cmd.ins == VERIFY and channel.application == JUKI_APPLICATION:
            for other in services.volatile.channels:
                if other is not None and other is not channel:
                    other.end_session()
        return honest(cmd, session, channel, services)

    around(patch, leak)


def in_a_channel_that_is_handed_on(patch: pytest.MonkeyPatch) -> None:
    """A password that was verified counts as verified in whatever is selected next on that channel."""
    honest = Channel.end_session

    def end_session(self: Channel) -> None:
        security = self.security
        honest(self)
        self.security = security

    patch.setattr(Channel, "end_session", end_session)


def in_the_quota(patch: pytest.MonkeyPatch) -> None:
    """All domains share one room, so that what one stores another has not left."""
    room = sum(map(len, people.START["active"]().values())) + 200
    honest = Memory.admit

    def admit(self: Memory, changes: dict[str, bytes | None]) -> dict[str, int]:
        growth = honest(self, changes)
        taken = sum(len(self._store.read(cell) or b"") for cell in self._store.cells("a/"))
        if sum(growth.values()) > 0 and taken > room:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "planted")
        return growth

    patch.setattr(Memory, "admit", admit)


def in_the_date(patch: pytest.MonkeyPatch) -> None:
    """The newest date that any domain knows is everybody's."""

    def estimate(keys: DomainKeys, _anchor: KeyReference) -> int | None:
        transaction = keys._area._transaction
        days = [transaction.read(cell) for cell in transaction.cells("a/") if "/day/" in cell]
        return max((int(day.hex()) for day in days if day), default=None)

    patch.setattr(channel_commands, "_estimate", estimate)


def in_the_registry(patch: pytest.MonkeyPatch) -> None:
    """A domain that lists what is its own tells how much there is on the card."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        response = honest(cmd, session, channel, services)
        count = len(registry.Contents.parse(services.store.read(registry.CELL)).entries)
        if cmd.ins == GET_STATUS and channel.application != ISSUER and response.data:
            return response._replace(data=response.data + bytes((count,)))
        return response

    around(patch, leak)


def in_the_numbers(patch: pytest.MonkeyPatch) -> None:
    """Instance numbers run out after a few installations, whoever installs."""
    patch.setattr(registry, "MAX_INSTANCES", 12)


def in_the_existence(patch: pytest.MonkeyPatch) -> None:
    """A file that is not there is refused otherwise on a card without the Juki application."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        try:
            return honest(cmd, session, channel, services)
        except CardError as error:
            if error.sw == StatusWord.FILE_NOT_FOUND and services.store.read("a/0004/df") is None:
                raise CardError(StatusWord.REFERENCE_NOT_FOUND, "planted") from None
            raise

    around(patch, leak)


def in_the_waiting(patch: pytest.MonkeyPatch) -> None:
    """Handshakes that failed anywhere slow down everybody."""
    honest = DomainKeys.begin_attempt

    def begin(self: DomainKeys, reference: KeyReference, delay: Callable[[int], None]) -> int:
        transaction = self._area._transaction
        attempts = [(transaction.read(cell) or bytes(4))[3] for cell in transaction.cells("a/") if "/seq/" in cell]
        return honest(self, reference, lambda _own: delay(sum(attempts)))

    patch.setattr(DomainKeys, "begin_attempt", begin)
    patch.setattr(channel_commands, "FREE_ATTEMPTS", 0)


def in_what_lasts(patch: pytest.MonkeyPatch) -> None:
    """A password that is tried in one area leaves a mark in another, which no command tells yet."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        if cmd.ins == VERIFY and channel.application == JUKI_APPLICATION:
            services.store.commit({"a/0005/mark": b"tried"})
        return honest(cmd, session, channel, services)

    around(patch, leak)


def in_the_steps(patch: pytest.MonkeyPatch) -> None:
    """A loaded application takes longer for one resident code than for another; it answers the same."""
    honest = Host.role

    def role(self: Host) -> int:
        code = self._ctx._transaction._store.read(CODE) or b"0"
        return honest(self) + (code[-1] % 7 if self._message[1] == locker.TIME else 0)

    patch.setattr(Host, "role", role)


def from_a_loaded_application(patch: pytest.MonkeyPatch) -> None:
    """The services answer longer once something was put into the locker."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        response = honest(cmd, session, channel, services)
        if cmd.ins == READ_BINARY and services.store.read(COUNTED) and response.data:
            return response._replace(data=response.data + bytes(16))
        return response

    around(patch, leak)


def from_a_service(patch: pytest.MonkeyPatch) -> None:
    """The Juki application answers longer once the library has lent something."""

    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        response = honest(cmd, session, channel, services)
        lent = services.store.read(LOANS)
        if cmd.ins == READ_BINARY and channel.application != LIBRARY and lent and response.data:
            return response._replace(data=response.data + bytes(16))
        return response

    around(patch, leak)


def from_the_jpki_application(patch: pytest.MonkeyPatch) -> None:
    """Everybody else answers longer while its signature password has lost tries."""
    _tell_lost_tries(patch, bytes(jpkichips.JPKI), 5, 0x9B)


def from_the_face_verification_application(patch: pytest.MonkeyPatch) -> None:
    """The same while the reference number of its face has."""
    _tell_lost_tries(patch, bytes(facechips.FACE), 10, 0x92, 0x93)


def _tell_lost_tries(patch: pytest.MonkeyPatch, name: bytes, tries: int, *references: int) -> None:
    def leak(honest: Execute, cmd: CommandAPDU, channel: Channel, services: Services, session: Any) -> ResponseAPDU:
        response = honest(cmd, session, channel, services)
        entry = registry.Contents.parse(services.store.read(registry.CELL)).by_aid(name)
        cells = () if entry is None else (f"{entry.area}p/{reference:02x}/t" for reference in references)
        lost = any(services.store.read(cell) not in (None, bytes((tries,))) for cell in cells)
        if cmd.ins == READ_BINARY and lost and response.data:
            return response._replace(data=response.data + bytes(16))
        return response

    around(patch, leak)


class Plant(NamedTuple):
    """A leak, whose secret it tells, what the comparison says of it; and where it shows, if not to everybody."""

    put: Callable[[pytest.MonkeyPatch], None]
    kind: str
    says: tuple[str, ...]
    about: Focus = NOTHING


LONGER = "bytes and", "and 9000", "answers 61"
"""What is said of a longer answer: it may wait for GET RESPONSE, all of it or more of it."""
INSTALLING = Focus("domain", ("INSTALL [for install (and make selectable)]",))
PLANTS = (
    Plant(in_the_length, JUKI, LONGER),
    Plant(in_the_data, JUKI, ("answers other data",)),
    Plant(in_the_status_word, JUKI, ("6985",)),
    Plant(in_the_channels, JUKI, ("6982",)),
    Plant(in_a_channel_that_is_handed_on, JUKI, ("6982",)),
    Plant(in_a_channel_that_is_handed_on, CITY, ("6982",)),
    Plant(in_the_quota, JUKI, ("6A84",)),
    Plant(in_the_quota, CITY, ("6A84",)),
    Plant(in_the_date, JUKI, ("6982", " day/")),
    Plant(in_the_date, CITY, ("6982", " day/", "STORE DATA answers 6985")),
    Plant(in_the_registry, JUKI, ("answers other data",)),
    Plant(in_the_registry, CITY, ("answers other data",)),
    Plant(in_the_numbers, JUKI, ("6A84",), INSTALLING),
    Plant(in_the_numbers, CITY, ("6A84",), INSTALLING),
    Plant(in_the_existence, JUKI, ("6A88",)),
    Plant(in_the_waiting, JUKI, ("seconds",)),
    Plant(in_the_waiting, CITY, ("seconds",)),
    Plant(in_what_lasts, JUKI, ("in the end",)),
    Plant(in_the_steps, JUKI, ("LOCKER TIME takes",), Focus("locker", ("LOCKER TIME",))),
    Plant(from_a_loaded_application, SERVICE, LONGER),
    Plant(from_a_loaded_application, CITY, LONGER),
    Plant(from_a_service, SERVICE, LONGER),
    Plant(from_a_service, CITY, LONGER),
    Plant(from_the_jpki_application, JPKI, LONGER),
    Plant(from_the_face_verification_application, FACE, LONGER),
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.put.__name__}, {plant.kind}")
def test_a_planted_leak_is_caught(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    for start in STARTS:
        people.START[start]()  # made by an honest chip
    plant.put(monkeypatch)
    case = found_in(plant.kind, plant.about)
    assert case is not None
    assert any(word in case.reason for word in plant.says)
    print(f"{plant.put.__name__}: case {case.number}, step {len(case.steps)}: {case.reason}")


def test_a_counterexample_is_short_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it still tells the leaking cards apart, and no others."""
    for start in STARTS:
        people.START[start]()
    with monkeypatch.context() as patch:
        in_the_length(patch)
        case = found_in(JUKI)
        assert case is not None
        short = shrink(case)
        assert len(short.steps) <= 12
        found = failure(short.setup, short.steps)
        assert found is not None
        assert found[0] == case.reason
        assert case.reason in written(short)
    assert failure(short.setup, short.steps) is None
