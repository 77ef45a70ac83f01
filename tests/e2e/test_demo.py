"""The demo tells its story and no secret; and it breaks off when a chip or a terminal lets something pass."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp import channel_commands
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.juki.client import JukiClient
from jukicard.card.ports import DerivedKeys
from jukicard.card.security.passwords import Password
from jukicard.commands.demo.errors import FolderRefused, StoryBroken
from jukicard.commands.demo.folder import DemoFolder
from jukicard.commands.demo.scene import RECORD
from jukicard.commands.demo.story import tell
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority import certificates as certificates_of_issuer
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.counter.authentication import CardDialogue
from jukicard.issuer.keys import filekeystore
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.records.resident import RecordRules, load_json
from jukicard.securechannel import certificates
from jukicard.securechannel.authorization import Right
from jukicard.securechannel.certificates import ChainVerifier

LONGEST = 20.0
"""Seconds that the demo may take."""

TRY_NEXT = "To try next, in this shell:"
CODE = load_json(RECORD, RecordRules(date(2026, 1, 1))).resident_code.reveal()


@dataclass(frozen=True, slots=True)
class Told:
    """A demo that has been told: its folder, the lines on the screen, the seconds it took."""

    folder: DemoFolder
    lines: list[str]
    seconds: float

    def files(self, *folders: Path) -> list[Path]:
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = DemoFolder(tmp_path_factory.mktemp("demo") / "out" / "demo")
    lines: list[str] = []
    start = time.perf_counter()
    tell(folder.path, lines.append)
    return Told(folder, lines, time.perf_counter() - start)


def _outcomes(lines: list[str]) -> dict[str, str]:
    """Return the closing table: from a step's title to its outcome."""
    table = lines[lines.index("What was shown") : lines.index(TRY_NEXT)]
    rows = (re.fullmatch(r"\d\.\d+ +(.*?)  +(shown|refused .*)", line) for line in table)
    return {row[1]: row[2] for row in rows if row}


def test_it_is_told_in_time(told: Told) -> None:
    assert told.seconds < LONGEST


def test_what_must_fail_failed_at_its_named_step(told: Told) -> None:
    outcomes = _outcomes(told.lines)
    expected = {
        "A wrong password": "card at: VERIFY (63C2)",
        "A terminal without the right": "card at: reading the resident code (6982)",
        "A terminal of another anchor": "card at: terminal certificate (6982)",
        "A terminal that expired": "card at: terminal certificate (6982)",
        "A forged card: the genuine card's certificates": "terminal at: card authentication",
        "The same card, by a terminal that goes straight to the channel": "terminal at: receipt",
        "A forged card: certified by a CA": "terminal at: card certificate",
        "Another city's chip": "terminal at: card data",
        "The same, and 99202 wrote": "terminal at: card certificate",
        "Reading the resident code without a channel": "card at: reading the resident code (6982)",
        "Reading it over SCP11b": "card at: reading the resident code (6982)",
        "Reading it as a counter terminal": "card at: reading the resident code (6982)",
        "A recorded session replayed": "card at: the first protected command (6988)",
        "A Juki terminal at the library card": "card at: terminal certificate (6982)",
        "The library's terminal": "card at: terminal certificate (6982)",
    }
    refused = {title: outcome for title, outcome in outcomes.items() if outcome != "shown"}
    assert len(refused) == len(expected)
    for beginning, outcome in expected.items():
        (found,) = (refused[title] for title in refused if title.startswith(beginning))
        assert found == f"refused by the {outcome}"
    assert len(outcomes) - len(refused) > 10


def test_its_files_can_be_used_afterwards(told: Told) -> None:
    password = (told.folder.passwords / "authority").read_text().strip()
    with Authority.open(told.folder.home, password) as authority:
        (card,) = authority.ledger.cards()
        assert card.status is Status.ACTIVE
        assert (told.folder.cards / f"{card.serial}.juki").is_file()


def test_the_commands_to_try_next_work_as_printed(told: Told) -> None:
    lines = told.lines[told.lines.index(TRY_NEXT) + 1 :]
    commands = [line.strip() for line in lines if line.startswith("  ")]
    (serve,) = [command for command in commands if command.startswith("juki serve ")]
    ran = subprocess.run(
        ["sh", "-euc", "\n".join(command for command in commands if command != serve)],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert CODE in ran.stdout
    assert Path(shlex.split(serve)[2]).is_file()


def test_the_transcript_is_the_story_with_the_code_masked(told: Told) -> None:
    spoken = "\n".join(told.lines) + "\n"
    assert spoken.count(CODE) == 1
    assert told.folder.transcript.read_text(encoding="utf-8") == spoken.replace(CODE, "*" * len(CODE))


def test_no_secret_is_in_any_other_file(told: Told) -> None:
    folder = told.folder
    passwords = {path.name: path.read_text().strip() for path in folder.passwords.iterdir()}
    places = told.files(folder.home, folder.national, folder.next_city, folder.forger, folder.cards, folder.traces)
    assert len(places) > 20
    for path in (*places, folder.transcript):
        content = path.read_bytes()
        assert CODE.encode() not in content, path.name
        assert CODE.encode().hex(" ").encode() not in content.lower(), path.name
        assert passwords["authority"].encode() not in content, path.name
    # A password of 4 digits occurs by chance anywhere; in a trace it would stand as the data of VERIFY.
    traces = "\n".join(path.read_text(encoding="utf-8") for path in told.files(folder.traces))
    for name in ("holder", "library"):
        assert passwords[name].encode().hex(" ").upper() not in traces.upper(), name


def test_it_can_be_told_again_and_leaves_what_is_not_its_own(told: Told, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    shutil.copytree(told.folder.path, out)
    (out / "mine").write_text("mine")
    before = (out / "home" / "storage.key").read_text()
    tell(out, lambda line: None)
    assert (out / "mine").read_text() == "mine"
    assert (out / "home" / "storage.key").read_text() != before


def test_it_touches_no_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with pytest.raises(FolderRefused):
        tell(tmp_path, lambda line: None)
    assert [child.name for child in tmp_path.iterdir()] == ["home"]


def _all_passwords_are_right(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Password, "compare", lambda self, candidate: True)


def _every_terminal_has_every_right(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JukiApplet, "rights", lambda self, ctx, session: frozenset(map(int, Right)))


def _signatures_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(certificates, "_check_signature", lambda certificate, key: None)
    patch.setattr(certificates, "_is_signed_authority", lambda above, der: True)  # and nothing is remembered


def _dates_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ChainVerifier, "_check_dates", lambda self, certificate: None)


def _the_challenge_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(JukiClient, "authenticate_card", lambda self, challenge, key: None)


def _the_card_data_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    genuine = CardDialogue.check_card

    def believing(self: CardDialogue) -> None:
        with suppress(AuthenticationFailed):
            genuine(self)

    patch.setattr(CardDialogue, "check_card", believing)


def _any_city_may_certify_for_any(patch: pytest.MonkeyPatch) -> None:
    genuine = certificates_of_issuer.Subject.read
    patch.setattr(
        certificates_of_issuer.Subject, "read", lambda certificate: replace(genuine(certificate), city_code="99201")
    )


def _handshakes_are_never_fresh(patch: pytest.MonkeyPatch) -> None:
    genuine = channel_commands._agree

    def stale(*arguments: Any) -> ResponseAPDU:
        with pytest.MonkeyPatch.context() as during:
            during.setattr(DerivedKeys, "ec_p256", lambda self, random: ec.derive_private_key(7, ec.SECP256R1()))
            return genuine(*arguments)

    patch.setattr(channel_commands, "_agree", stale)


@pytest.mark.parametrize(
    ("sabotage", "broken_at"),
    [
        (_all_passwords_are_right, "A wrong password"),
        (_every_terminal_has_every_right, "A terminal without the right"),
        (_signatures_are_not_checked, "A terminal of another anchor"),
        (_dates_are_not_checked, "A terminal that expired"),
        (_the_challenge_is_not_checked, "A forged card: the genuine card's certificates"),
        (_the_card_data_are_not_compared, "Another city's chip"),
        (_any_city_may_certify_for_any, "Another city's chip"),
        (_handshakes_are_never_fresh, "A recorded session replayed"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_it_breaks_off_where_something_lets_pass_what_must_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sabotage: Callable[[pytest.MonkeyPatch], None], broken_at: str
) -> None:
    monkeypatch.setattr(filekeystore, "_SCRYPT_N", 1 << 14)  # passwords play no part here, and time does
    sabotage(monkeypatch)
    lines: list[str] = []
    with pytest.raises(StoryBroken) as caught:
        tell(tmp_path, lines.append)
    assert caught.value.exit_code != 0
    titles = [line for line in lines if re.match(r"\d\.\d+ ", line)]
    assert broken_at in titles[-1]
    assert lines[-1].startswith("BROKEN: ")
