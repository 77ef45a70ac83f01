"""What programs say to a JPKI card, kept as dialogues in tests/conformance/clients.

    python -m tests.support.jpkitranscripts    record all of them anew

Of a long answer to READ BINARY only the beginning and the end are kept, and of a challenge only its length: these are
another test's business.  What OpenSC asks every card before it comes to ours stands in the transcripts of pkcs15-tool
alone.  Signatures are kept whole: the keys are fixed, and PKCS #1 v1.5 is deterministic.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jukicard.applets.jpki.layout import CREDENTIALS, Profile, Usage
from jukicard.card.store import MemoryStore
from jukicard.reader.recording import Dialogue, Exchange, Pattern, Reset, Step, format_dialogue
from tests.support.inserted import inserted
from tests.support.jpkicards import (
    BOTH_KEYS,
    OBJECT_IDS,
    PASSWORD_TEXTS,
    ExchangedChip,
    HeldCard,
    after_wrong_passwords,
    cells,
    new_card,
)
from tests.support.jpkichips import WRONG_PASSWORDS
from tests.support.jpkiclients import CLIENTS, PKCS15_TOOL, Client
from tests.support.jpkiforeign import PROBES
from tests.support.pcscd import PrivatePcscd, find_tool

FOLDER = Path(__file__).parents[1] / "conformance" / "clients"
_READ_BINARY, _GET_CHALLENGE = 0xB0, 0x84
_LONG, _KEPT = 40, 8
_ANY, _NOT_FOUND = Pattern.parse("3B *"), Pattern.parse("6A 82")
_SELECT_BY_NAME = bytes((0x00, 0xA4, 0x04))


@dataclass(frozen=True)
class Transcript:
    """A file of the folder: its name, the card that it is for, what is done with the card, and the cells afterwards.

    `whole`: the names of other cards' applications that are asked for in vain are kept as well.
    """

    name: str
    profile: Profile
    of: Client
    record: Callable[[HeldCard], None]
    after: Callable[[], Mapping[str, bytes]]
    whole: bool = False

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.dialogue"


def _use(client: Client, usage: Usage, card: HeldCard) -> None:
    client.use(card, usage)


def _block(usage: Usage, card: HeldCard) -> None:
    """Wrong passwords until it is blocked, and then the right one."""
    wrong = (WRONG_PASSWORDS[usage].decode(),) * CREDENTIALS[usage].tries
    for password in (*wrong, PASSWORD_TEXTS[usage]):
        words = "--verify-pin", "--auth-id", f"{OBJECT_IDS[usage]:02}", "--pin", "env:PASSWORD"
        card.run(find_tool("pkcs15-tool", "opensc"), *words, succeeds=False, PASSWORD=password)


def _all() -> Iterator[Transcript]:
    for profile, usage in BOTH_KEYS:
        key = f"{profile.name.lower()}-{usage}"
        for client in CLIENTS:
            record, after = partial(_use, client, usage), partial(cells, profile)
            yield Transcript(f"{key}-{client.name}", profile, client, record, after, client is PKCS15_TOOL)
        blocked = partial(after_wrong_passwords, profile, usage, CREDENTIALS[usage].tries)
        yield Transcript(f"{key}-blocked", profile, PKCS15_TOOL, partial(_block, usage), blocked)
    for client in PROBES:
        record, after = partial(_use, client, Usage.SIGNATURE), partial(cells, Profile.MYNUMBER)
        yield Transcript(client.name, Profile.MYNUMBER, client, record, after, whole=True)


TRANSCRIPTS = tuple(_all())


def kept(transcript: Transcript, steps: Iterable[Step]) -> Iterator[Step]:
    """The steps that are kept, as they are kept."""
    yield Reset(_ANY)
    for step in steps:
        in_vain = isinstance(step, Exchange) and (step.command[:3], step.response) == (_SELECT_BY_NAME, _NOT_FOUND)
        if transcript.whole or not in_vain:
            yield shortened(step)


def shortened(step: Step) -> Step:
    """The step as it is kept."""
    if isinstance(step, Reset):
        return Reset(_ANY)
    if not isinstance(step, Exchange):
        return step
    tokens = step.response.tokens
    if step.command[1] == _GET_CHALLENGE:
        tokens = (*(".." for _ in tokens[:-2]), *tokens[-2:])
    elif step.command[1] == _READ_BINARY and len(tokens) > _LONG:
        tokens = (*tokens[:_KEPT], "*", *tokens[-_KEPT:])
    return replace(step, response=Pattern(tokens))


def as_text(transcript: Transcript, steps: tuple[Step, ...]) -> str:
    """The file's text."""
    version = _version(transcript.of)
    lines = [
        f"# Card: {transcript.profile.name.lower()}.",
        f"# Recorded with {version}. The passwords are test values.",
        "",
    ]
    for line in format_dialogue(Dialogue(transcript.name, tuple(kept(transcript, steps)))).splitlines():
        lines += textwrap.wrap(line, 118, subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def _version(client: Client) -> str:
    """The first line with a number that the program says of itself."""
    done = subprocess.run([find_tool(client.program, client.package), *client.version], capture_output=True, timeout=20)
    printed = (done.stdout + done.stderr).decode()
    line = next(line for line in printed.splitlines() if re.search(r"\d+\.\d+", line))
    return line.partition(" [")[0].strip()


@contextmanager
def _reader() -> Iterator[tuple[PrivatePcscd, ExchangedChip]]:
    chip = ExchangedChip(new_card(MemoryStore(cells(Profile.JUKI))))
    with PrivatePcscd() as pcscd, inserted(pcscd, chip, settle_seconds=0):
        yield pcscd, chip


def main() -> None:
    """Record every transcript anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with _reader() as reader:
        for transcript in TRANSCRIPTS:
            with tempfile.TemporaryDirectory() as home:
                card = HeldCard(*reader, transcript.profile, Path(home))
                card.configure_opensc()
                transcript.record(card)
                transcript.path.write_text(as_text(transcript, card.steps))


if __name__ == "__main__":
    main()
