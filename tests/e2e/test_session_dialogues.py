"""The dialogues that work in secure channel sessions and change the card: each on a fresh one, in process, over
awkward readers and through pcscd.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from jukicard.iso7816.connection import CardConnection, ConnectionWrapper
from jukicard.iso7816.wrappers import T0Rules
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.pcsc import open_pcsc
from jukicard.reader.recording import Dialogue, DialogueMismatch, Exchange, Opener, play
from jukicard.testing.readers import ShortOnlyReader, T0Reader
from tests.support.inserted import inserted
from tests.support.pcscd import PrivatePcscd
from tests.support.sessions import CARDS, FILES, LEVELS, OPENERS, dialogue_in, fresh_card, head, opened

EXACT_LE = "17-secure-messaging"
"""T=0 carries no Le beside data, and a protected command always has data: so there an exact Le gets all there is."""

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@every_file
def test_the_first_line_tells_card_and_sessions(path: Path) -> None:
    card, sessions = head(path)
    assert card in CARDS
    assert sessions == opened(dialogue_in(path))


def test_every_card_and_every_kind_of_session_is_used() -> None:
    assert len(FILES) >= 18
    assert {head(path)[0] for path in FILES} == CARDS.keys()
    used = frozenset().union(*(head(path)[1] for path in FILES))
    assert {name for name in OPENERS if not name.endswith(tuple(filter(None, LEVELS)))} <= used


@every_file
def test_in_process(path: Path) -> None:
    with closing(EmulatorConnection(fresh_card(path))) as connection:
        play(dialogue_in(path), connection, OPENERS)


@every_file
def test_a_difference_is_noticed(path: Path) -> None:
    """A card that answers one of the commands differently, in a session or beside it, does not pass."""
    dialogue = dialogue_in(path)
    count = sum(isinstance(step, Exchange) for step in dialogue.steps)
    for number in range(1, count + 1, max(1, count // 4)):
        with closing(EmulatorConnection(fresh_card(path))) as connection:
            spoiler = Spoiler(number)
            openers = {name: spoiler.behind(opener, connection) for name, opener in OPENERS.items()}
            with pytest.raises(DialogueMismatch, match=f"line {line_of(dialogue, number)}:"):
                play(dialogue, spoiler.over(connection), openers)


def line_of(dialogue: Dialogue, number: int) -> int:
    """The line of a dialogue's command, counted from 1."""
    return [step.line for step in dialogue.steps if isinstance(step, Exchange)][number - 1]


class Spoiler:
    """Spoils the plain answer to one of the commands that a dialogue says, counted over all its connections."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.count = 0

    def over(self, connection: CardConnection) -> CardConnection:
        return _Spoilt(connection, self)

    def behind(self, opener: Opener, connection: CardConnection) -> Opener:
        """An opener that talks to the card itself, so that the handshake is neither counted nor spoilt."""
        return lambda _: self.over(opener(connection))


class _Spoilt(ConnectionWrapper):
    def __init__(self, inner: CardConnection, spoiler: Spoiler) -> None:
        super().__init__(inner)
        self._spoiler = spoiler

    def transmit(self, command: bytes) -> bytes:
        answer = self.inner.transmit(command)
        self._spoiler.count += 1
        spoilt = self._spoiler.count == self._spoiler.number
        return answer[:-1] + bytes((answer[-1] ^ 0x55,)) if spoilt else answer


@every_file
def test_over_a_reader_for_short_apdus(path: Path) -> None:
    with closing(EmulatorConnection(fresh_card(path))) as connection:
        play(dialogue_in(path), ShortOnlyReader(connection), OPENERS)


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != EXACT_LE], ids=lambda path: path.stem)
def test_over_t0(path: Path) -> None:
    with closing(EmulatorConnection(fresh_card(path))) as connection:
        play(dialogue_in(path), T0Rules(T0Reader(connection)), OPENERS)


@every_file
def test_through_pcscd(real_pcscd: PrivatePcscd, path: Path) -> None:
    chip = fresh_card(path)
    with inserted(real_pcscd, chip) as card, closing(open_pcsc(card.reader_name)) as connection:
        play(dialogue_in(path), connection, OPENERS)
