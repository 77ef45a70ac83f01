"""What programs said to the JPKI application through pcscd (tests/conformance/clients), said again in process."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from jukicard.applets.jpki.layout import CREDENTIALS, Profile
from jukicard.card.store import MemoryStore
from jukicard.iso7816.connection import CardConnection
from jukicard.iso7816.wrappers import T0Rules
from jukicard.reader.chip import Interface
from jukicard.reader.emulator import EmulatorConnection
from jukicard.reader.recording import Exchange, play
from jukicard.testing.readers import ShortOnlyReader, T0Reader
from tests.support.jpkicards import BOTH_KEYS, cells, new_card
from tests.support.jpkiclients import CLIENTS
from tests.support.jpkitranscripts import FOLDER, TRANSCRIPTS, Transcript
from tests.support.sessions import dialogue_in

every_transcript = pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda transcript: transcript.name)
READERS = {
    "any reader": lambda connection: connection,
    "short only": ShortOnlyReader,
    "T=0": lambda connection: T0Rules(T0Reader(connection)),
}


def test_there_is_a_file_for_each_program_and_no_other() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {transcript.name for transcript in TRANSCRIPTS}
    assert len(TRANSCRIPTS) >= len(CLIENTS) * len(BOTH_KEYS)


@every_transcript
@pytest.mark.parametrize("reader", READERS)
def test_in_process(transcript: Transcript, reader: str) -> None:
    store = MemoryStore(cells(transcript.profile))
    with closing(EmulatorConnection(new_card(store), Interface.CONTACT)) as connection:
        over: CardConnection = READERS[reader](connection)
        play(dialogue_in(transcript.path), over)
    assert store.snapshot() == transcript.after()


@every_transcript
def test_its_first_line_says_for_which_card_it_is(transcript: Transcript) -> None:
    first, second = transcript.path.read_text().splitlines()[:2]
    assert first == f"# Card: {transcript.profile.name.lower()}."
    assert re.search(r"Recorded with .*\d\.\d", second)


@pytest.mark.parametrize(("profile", "usage"), BOTH_KEYS)
def test_signatures_are_among_what_was_said(profile: Profile, usage: object) -> None:
    """Made with the key in question: the one whose EF was selected last."""
    signing = {"pkcs11-tool-signs", "pkcs11-tool-tests", "p11tool", "gnutls-cli", "openssl", "ssh", "pyhanko"}
    for client in signing:
        path = FOLDER / f"{profile.name.lower()}-{usage}-{client}.dialogue"
        said = [step for step in dialogue_in(path).steps if isinstance(step, Exchange)]
        commands = [step.command for step in said]
        found = [number for number, step in enumerate(said) if step.command[:4] == b"\x80\x2a\x00\x80"]
        assert found, path.name
        for number in found:
            assert len(said[number].response.literal or b"") == 258
            key = CREDENTIALS[usage].key  # type: ignore[index]
            assert commands[number - 1] == b"\x00\xa4\x02\x0c\x02\x00" + bytes((key,))
