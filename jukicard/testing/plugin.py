"""The pytest plugin: specimen cards as fixtures.  pytest loads it wherever jukicard is installed.

| fixture | gives |
|---|---|
| `juki_card` | a function: `juki_card("active", pulled_at=5, delay=0.01, …)` makes a specimen (see `Specimens.make`) |
| `juki_blank`, `juki_undelivered`, `juki_active`, `juki_blocked`, `juki_suspended`, `juki_void`, `juki_expired` | one |
| `juki_jpki`, `juki_mynumber` | one that is enrolled for the JPKI, like a Juki card or like a My Number card |
| `juki_forged` | a forged one; the test runs once for each way of forging |
| `juki_app` | a function: `juki_app(folder)` makes a specimen with the loaded application in that folder, selected |
| `juki_specimens` | the session's `Specimens` |
| `juki_pcscd` | a private pcscd with a virtual reader, for this session |
| `juki_inserted` | a function: `juki_inserted(card)` puts a specimen into that reader; it gives the `InsertedCard` |

`--juki-seed` and `--juki-today` (or the ini options `juki_seed`, `juki_today`) choose seed and day of all cards.
Nothing of jukicard is imported, and nothing made, before a test asks for a fixture.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:  # the plugin is loaded in every pytest run, most of which have no use for it
    from jukicard.reader.chip import Chip
    from jukicard.testing.cards import Kind, Specimen, Specimens
    from jukicard.testing.inserted import InsertedCard
    from jukicard.testing.pcscd import PrivatePcscd


class MakeCard(Protocol):
    """The type of the fixture `juki_card`; the arguments are those of `Specimens.make`."""

    def __call__(
        self,
        kind: Kind | str,
        *,
        pulled_at: int | None = None,
        executed: bool = False,
        delay: float = 0.0,
        short: bool = False,
        contactless: bool = False,
    ) -> Specimen:
        """Make a specimen for this test; it is closed at the test's end."""


class MakeApp(Protocol):
    """The type of the fixture `juki_app`."""

    def __call__(
        self, folder: Path, parameters: bytes = b"", *, kind: Kind | str = "active", contactless: bool = False
    ) -> Specimen:
        """Build the application in a folder (its app.toml says what it is) and make a specimen that has it, installed
        with those parameters, and selected.  The other arguments are as for `juki_card`.
        """


class Insert(Protocol):
    """The type of the fixture `juki_inserted`."""

    def __call__(
        self, card: Specimen, *, pulled_at: int | None = None, executed: bool = False, delay: float = 0.0
    ) -> InsertedCard:
        """Put the card in, and wait until pcscd has noticed it; `reader_name` of the result is PC/SC's name for it.

        From then on talk to it through PC/SC, not by the specimen.  The other arguments are as for `juki_card`; a card
        that was pulled comes back by `insert()`.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("jukicard", "specimen Juki cards")
    group.addoption("--juki-seed", metavar="TEXT", help="seed of all specimen cards' randomness (default: empty)")
    group.addoption("--juki-today", metavar="YYYY-MM-DD", help="the day of the specimen cards (default: 2026-11-21)")
    parser.addini("juki_seed", "seed of all specimen cards' randomness", default="")
    parser.addini("juki_today", "the day of the specimen cards, YYYY-MM-DD", default="2026-11-21")


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(name)
    return str(config.getini(name) if given is None else given)


@pytest.fixture(scope="session")
def juki_specimens(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Specimens]:
    """The session's specimens: each kind is made when it is first asked for, and copied from then on."""
    from jukicard.testing.cards import Specimens

    text = _option(request.config, "juki_today")
    try:
        today = dt.date.fromisoformat(text)
    except ValueError:
        raise pytest.UsageError(f"juki_today: {text!r} is no date: write it as 2026-04-01") from None
    seed = _option(request.config, "juki_seed")
    with Specimens(tmp_path_factory.mktemp("juki"), seed=seed, today=today) as specimens:
        yield specimens


@pytest.fixture
def juki_card(juki_specimens: Specimens) -> Iterator[MakeCard]:
    """Make specimens by their kind; they are closed at the test's end."""
    with ExitStack() as stack:

        def make(
            kind: Kind | str,
            *,
            pulled_at: int | None = None,
            executed: bool = False,
            delay: float = 0.0,
            short: bool = False,
            contactless: bool = False,
        ) -> Specimen:
            card = juki_specimens.make(
                kind, pulled_at=pulled_at, executed=executed, delay=delay, short=short, contactless=contactless
            )
            stack.callback(card.close)
            return card

        yield make


@pytest.fixture
def juki_app(juki_specimens: Specimens) -> Iterator[MakeApp]:
    """Make specimens with a loaded application; they are closed at the test's end."""
    from jukicard.iso7816.apdu import CommandAPDU
    from jukicard.testing.apps import LoadedApplication

    with ExitStack() as stack:

        def make(
            folder: Path, parameters: bytes = b"", *, kind: Kind | str = "active", contactless: bool = False
        ) -> Specimen:
            application = LoadedApplication.of(folder, parameters)
            card = juki_specimens.make(kind, contactless=contactless, application=application)
            stack.callback(card.close)
            card.transmit(CommandAPDU(0x00, 0xA4, 0x04, 0x00, bytes(application.aid), 256).encode())
            return card

        yield make


def _one(kind: str, explained: str, name: str | None = None) -> Callable[[MakeCard], Specimen]:
    def fixture(juki_card: MakeCard) -> Specimen:
        return juki_card(kind)

    fixture.__doc__ = explained
    return pytest.fixture(name=f"juki_{name or kind}")(fixture)


juki_blank = _one("blank", "A chip as its maker delivers it.")
juki_undelivered = _one("undelivered", "A card that awaits its handover: there is no password yet.")
juki_active = _one("active", "A card that was handed over.")
juki_blocked = _one("blocked", "A card whose password has no tries left.")
juki_suspended = _one("suspended", "A suspended card.")
juki_void = _one("void", "A void card.")
juki_expired = _one("expired", "A card that was issued eleven years ago.")

juki_jpki = _one("jpki", "A card that is enrolled for the JPKI, with the signature key alone.")
juki_mynumber = _one("jpki-mynumber", "The same with the authentication key, too.", "mynumber")


@pytest.fixture(params=["forged-key", "forged-ca", "forged-city"])
def juki_forged(request: pytest.FixtureRequest, juki_card: MakeCard) -> Specimen:
    """A forged card, of each way of forging in turn: another key, a foreign CA, another city's chip."""
    return juki_card(str(request.param))


@pytest.fixture(scope="session")
def juki_pcscd() -> Iterator[PrivatePcscd]:
    """A private pcscd with one virtual reader (Linux; packages pcscd and vsmartcard-vpcd, and pyscard).

    PC/SC clients in this process see it while a card is inserted; a client process needs `juki_pcscd.environment`.
    libpcsclite settles for one socket at a process's first call: use PC/SC in this process after this fixture only.
    """
    try:
        from jukicard.testing.pcscd import PcscdUnavailableError, PrivatePcscd
    except ImportError as error:
        pytest.fail(f"a private pcscd needs Linux: {error}", pytrace=False)
    try:
        with PrivatePcscd() as pcscd:
            yield pcscd
    except PcscdUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def juki_inserted(juki_pcscd: PrivatePcscd) -> Iterator[Insert]:
    """Put a specimen into the virtual reader, from which it is taken at the test's end: one at a time."""
    from jukicard.testing.chips import PulledChip, SlowChip
    from jukicard.testing.inserted import inserted

    with ExitStack() as stack:

        def insert(
            card: Specimen, *, pulled_at: int | None = None, executed: bool = False, delay: float = 0.0
        ) -> InsertedCard:
            chip: Chip = SlowChip(card.chip, delay) if delay else card.chip
            if pulled_at is not None:
                chip = PulledChip.at(chip, pulled_at, executed=executed)
            return stack.enter_context(inserted(juki_pcscd, chip, interface=card.interface))

        yield insert
