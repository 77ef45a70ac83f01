"""A hostile card against our hosts: every dialogue, a lie at every step, every lie of a list (docs/hostile-cards.md).

Through the library and through the command line.  A sample is tried in the quick version, all with
`--hypothesis-profile=soak`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import quick_keys
from tests.support.desk import Desk, private_file
from tests.support.hostile_card import LIES, Falsification
from tests.support.hostile_flows import EXIT_CODES, FLOWS, NEW, Flow, Hosts, Trial
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD, RECORD, Offices, Stage

SEED = int(os.environ.get("JUKICARD_SEED", "20261128"))
SAMPLE, SAMPLE_OF_COMMANDS = 30, 10
WAYS = {"once": (False, True), "for ever": (True, True), "instead of doing it": (False, False)}


@pytest.fixture(scope="module")
def hosts(offices: Offices) -> Hosts:
    return Hosts(offices)


def falsifications(steps: int, soak: bool, seed: str, sample: int) -> list[tuple[str, Falsification]]:
    """Every lie at every step: once, or for ever from there on, or instead of doing it; or a sample of them."""
    cases = [
        (f"at step {step} of {steps}: {name!r}, {how}", Falsification(step, lie, *ways))
        for step in range(1, steps + 1)
        for name, lie in LIES.items()
        for how, ways in WAYS.items()
    ]
    return cases if soak else random.Random(f"{SEED} {seed}").sample(cases, sample)


@pytest.fixture
def soak(pytestconfig: pytest.Config) -> bool:
    return pytestconfig.getoption("hypothesis_profile", None) == "soak"


@pytest.mark.parametrize("name", FLOWS)
def test_whatever_a_card_says_the_host_ends_and_believes_no_lie(
    hosts: Hosts, tmp_path: Path, name: str, soak: bool
) -> None:
    flow = FLOWS[name]
    honest = hosts.trial(flow, tmp_path / "honest").run()
    honest.judge()
    assert honest.error is None, honest.error
    steps = len(honest.card.commands)
    cases = falsifications(steps, soak, name, SAMPLE)
    told = harmless = 0
    for number, (what, falsification) in enumerate(cases):
        folder = tmp_path / str(number)
        trial = hosts.trial(flow, folder, falsification, honest.card.truths).run()
        try:
            trial.judge()
        except BaseException as error:
            error.add_note(f"{name}: {what}")
            raise
        finally:
            trial.office.close()
            shutil.rmtree(folder)
        told += trial.card.told
        harmless += trial.card.told and trial.error is None
    print(f"{name}: {told} lies at {steps} steps, {told - harmless} found out, {harmless} about nothing that matters")
    assert told > len(cases) // 2
    assert harmless < told // 3


# --- the command line


@dataclass(frozen=True)
class Command:
    """A command, the flow whose card and proof it has, and what on success its JSON must say."""

    flow: Flow
    words: tuple[str, ...]
    says: Callable[[dict[str, Any], Trial], object] = lambda facts, trial: None


def _shows_the_code(facts: dict[str, Any], trial: Trial) -> None:
    assert facts["resident_code"] == trial.office.code


TERMINAL = ("--authority-password-file", "authority.txt")
HOLDER = ("--password-file", "holder.txt")
COMMANDS = {
    "auth": Command(
        Flow(Stage.ACTIVE, lambda trial: None, lambda trial: trial.authenticates(PASSWORD)),
        ("auth", "--show-code", *TERMINAL, *HOLDER),
        _shows_the_code,
    ),
    "issue": Command(FLOWS["issue"], ("issue", str(RECORD), "--face", "A", "--service", "library", *TERMINAL)),
    "handover": Command(FLOWS["hand over"], ("handover", *TERMINAL, *HOLDER)),
    "password change": Command(
        FLOWS["change the password"],
        ("password", "change", *TERMINAL, *HOLDER, "--new-password-file", "new.txt"),
    ),
    "password reset": Command(
        FLOWS["reset the password"], ("password", "reset", *TERMINAL, "--password-file", "new.txt")
    ),
    "card suspend": Command(FLOWS["suspend"], ("card", "suspend", "799201000000001", *TERMINAL)),
    "card info": Command(Flow(Stage.ACTIVE, lambda trial: None), ("card", "info")),
    "card info, with a terminal": Command(Flow(Stage.ACTIVE, lambda trial: None), ("card", "info", *TERMINAL)),
    "reader check": Command(Flow(Stage.ACTIVE, lambda trial: None), ("reader", "check", "pcsc:")),
    "apdu": Command(Flow(Stage.ACTIVE, lambda trial: None), ("apdu", "00A4040000", "80CA006600", "80CA00E000")),
}


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_keys.use(monkeypatch)


def run(monkeypatch: pytest.MonkeyPatch, trial: Trial, command: Command) -> tuple[int, str]:
    """Run the command at the trial's card; return exit code and what was printed."""
    desk = Desk(trial.office.home.parent, trial.office.home)
    for name, password in (("authority", AUTHORITY_PASSWORD), ("holder", PASSWORD), ("new", NEW)):
        private_file(desk.folder / f"{name}.txt", password + "\n")
    reader = () if command.words[0] == "reader" else ("--reader", "pcsc:")
    words = [str(desk.folder / word) if word.endswith(".txt") else word for word in (*command.words, *reader)]
    with monkeypatch.context() as patched:
        patched.setattr("jukicard.reader.pcsc.open_pcsc", lambda name: trial.card)
        result = desk.run(*words, "--json")
    if result.exit_code:
        facts = json.loads(result.stdout)
        assert facts["error"]["code"] == result.exit_code
        assert facts.get("resident_code") is None
    else:
        command.says(json.loads(result.stdout), trial)
    return result.exit_code, result.output


def judge(trial: Trial, command: Command, code: int, printed: str) -> None:
    assert code == 0 or code in EXIT_CODES, (code, printed)
    assert "Traceback" not in printed
    assert all(character.isprintable() or character == "\n" for character in printed)
    if code == 0 or command.flow.done(trial):
        command.flow.truly(trial)
    secrets = (PASSWORD, NEW, AUTHORITY_PASSWORD) if "--password-file" in command.words else (AUTHORITY_PASSWORD,)
    assert not any(secret in printed for secret in secrets)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_a_card_says_a_command_ends_with_a_documented_exit_code(
    hosts: Hosts, tmp_path: Path, name: str, soak: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = COMMANDS[name]
    honest = hosts.trial(command.flow, tmp_path / "honest")
    assert run(monkeypatch, honest, command)[0] == 0
    cases = falsifications(len(honest.card.commands), soak, name, SAMPLE_OF_COMMANDS)
    codes: list[int] = []
    for number, (what, falsification) in enumerate(cases):
        folder = tmp_path / str(number)
        trial = hosts.trial(command.flow, folder, falsification, honest.card.truths)
        try:
            code, printed = run(monkeypatch, trial, command)
            judge(trial, command, code, printed)
        except BaseException as error:
            error.add_note(f"juki {name}: {what}")
            raise
        finally:
            trial.office.close()
            shutil.rmtree(folder)
        codes.append(code)
    print(f"juki {name}: " + ", ".join(f"{codes.count(code)} times {code}" for code in sorted(set(codes))))
