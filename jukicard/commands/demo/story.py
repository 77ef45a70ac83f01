"""The whole story of one card, with real files in a folder; every claim is checked as it is made."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from jukicard.commands.demo import forgeries, library, office, refusals, replaying
from jukicard.commands.demo.errors import StoryBroken
from jukicard.commands.demo.folder import DemoFolder
from jukicard.commands.demo.narrator import Narrator
from jukicard.commands.demo.scene import CITY, Passwords, Scene
from jukicard.issuer.authority.authority import Authority


def tell(out: Path, echo: Callable[[str], None], *, files_stay: bool = True, today: date | None = None) -> None:
    """Tell the story line by line to `echo`, and make its files in the folder `out`.

    `out` may be missing, empty, or a former demo's: of the last, exactly what the demo made is replaced. The day of the
    story is `today`, the real one unless told otherwise.  Without `files_stay` the folder is the caller's to remove,
    and nothing is told of what to do with it.

    FolderRefused (exit code 1) if the folder holds anything else; StoryBroken (70) if a claim does not hold, or if
    something that must fail does not fail at its step; whatever the issuing machine, the terminal or the card raise.
    """
    folder = DemoFolder(out)
    folder.prepare()
    scene = Scene(folder, today or date.today(), Passwords.draw())
    for name, password in scene.passwords.by_name():
        folder.write_secret(name, password)
    with folder.transcript.open("w", encoding="utf-8") as transcript:
        narrator = Narrator(echo, transcript)
        narrator.say("The story of one Juki card (住民基本台帳カード)")
        narrator.say(f"Everything in it is invented: person, city, codes. The files are in {out}.")
        try:
            _tell_chapters(scene, narrator)
        except StoryBroken as error:
            narrator.say()
            narrator.say(f"BROKEN: {error}")
            raise
        narrator.say()
        narrator.say("What was shown")
        narrator.say()
        narrator.table()
        if files_stay:
            _what_next(scene, narrator)


def _tell_chapters(scene: Scene, narrator: Narrator) -> None:
    with ExitStack() as closing:
        office.set_up(scene, narrator)
        closing.enter_context(scene.authority)
        office.issue(scene, narrator)
        office.read_back(scene, narrator)
        office.handover(scene, narrator)
        office.authentication(scene, narrator)
        library.library(scene, narrator)
        narrator.chapter("What must fail, fails, each at its step")
        narrator.say("   Each attempt is made in earnest; who must refuse it, where and why is laid down beforehand.")
        narrator.say("   The demo ends with an error if an attempt succeeds, or is refused anywhere else.")
        forger = Authority.init(scene.folder.forger, CITY, scene.passwords.authority, today=scene.today)
        closing.enter_context(forger)
        refusals.wrong_password(scene, narrator)
        refusals.wrong_terminals(scene, narrator, forger)
        forgeries.forged_cards(scene, narrator, forger)
        refusals.without_a_channel(scene, narrator)
        replaying.replay(scene, narrator)
        refusals.wrong_area(scene, narrator)


def _what_next(scene: Scene, narrator: Narrator) -> None:
    folder = scene.folder
    narrator.say()
    narrator.say("To try next, in this shell:")
    for line in (
        *_path_to_juki(),
        f"export JUKI_HOME={_quoted(folder.home)} JUKI_READER={_quoted(f'emulator:{scene.card}')}",
        f"P={_quoted(folder.passwords)}",
        "juki card info",
        'juki auth --authority-password-file "$P/authority" --password-file "$P/holder" --show-code',
        "juki apdu --decode 00A4040000",
        f"juki serve {_quoted(scene.card)}",
    ):
        narrator.say(f"  {line}")
    narrator.say(f"The last one needs pcscd with the driver vpcd.  Traces of all dialogues: {folder.traces}")


def _path_to_juki() -> tuple[str, ...]:
    """Return the line that makes the shell find `juki`, unless it does already."""
    if shutil.which("juki"):
        return ()
    return (f'PATH={_quoted(Path(sys.executable).parent)}:"$PATH"',)


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))
