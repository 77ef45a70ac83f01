"""The benchmarks: what they write, how they measure, and that the primitives held against the card are its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from benchmarks import cards, issuing, sessions
from benchmarks.measuring import Item, cost, in_turns, limit, speed
from benchmarks.primitives import KeyOfAll

ROOT = Path(__file__).parents[3]
THEMES = ("core", "readers", "jpki", "sessions", "apps", "lasting", "many", "issuing", "faces")
FIELDS = {"ours", "peer", "unit", "ratio", "spread", "target", "better", "met", "against"}
ASKED_FOR = (
    "in process: SELECT",
    "in process: GET CHALLENGE",
    "in process: READ BINARY 256 B",
    "in process: refused",
    "through pcscd: SELECT by name, of the null card's rate",
    "through pcscd: READ BINARY 256 B, of the null card's rate",
    "through pcscd: SELECT by name, against vicc",
    "through pcscd: READ BINARY 256 B, against vicc",
    "PKCS #11: a token's objects listed",
    "PKCS #11: a signature with the signature key",
    "PKCS #11: a signature with the authentication key",
    "SCP03 session",
    "SCP11a session",
    "holder authentication",
    "protected READ BINARY 256 B",
    "loaded application: an empty command, beyond an empty built-in one",
    "loaded application: an empty command, once selected anew",
    "loaded application: checking and compiling 32 kB",
    "power-on from a card file",
    "durable VERIFY, refused",
    "durable VERIFY, successful",
    "20 chips in one process, each",
    "20 chips in one process, a command",
    "20 files: SELECT",
    "issuing: a card, all but books and face",
    "issuing: a card, against its elliptic curves alone",
    "issuing: files by the group",
    "face A: PDF",
    "face B: read back and matched",
)


def test_a_tiny_run_writes_every_item_in_its_form(tmp_path: Path) -> None:
    out = tmp_path / "out" / "bench.json"
    command = [sys.executable, "-m", "benchmarks", *THEMES, "--quick", "--out", str(out)]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    items = json.loads(out.read_text(encoding="utf-8"))
    assert [prefix for prefix in ASKED_FOR if not any(name.startswith(prefix) for name in items)] == []
    for name, item in items.items():
        assert set(item) == FIELDS, name
        assert item["ours"] > 0, name
        assert item["peer"] is None or item["peer"] > 0, name
        assert item["better"] in ("higher", "lower"), name
        reached = item["ratio"] >= item["target"] if item["better"] == "higher" else item["ratio"] <= item["target"]
        assert item["met"] is reached, name
        assert f"| {name} |" in printed


def test_contenders_take_turns_and_every_other_round_goes_backwards() -> None:
    order: list[str] = []

    def contender(name: str, seconds: float) -> Callable[[int], float]:
        def measure(count: int) -> float:
            order.append(name)
            return seconds * count

        return measure

    times = in_turns({"a": contender("a", 0.5), "b": contender("b", 0.25)}, rounds=4, slice_seconds=1)
    assert "".join(order[4:]) == "baabbaab"
    assert times == {"a": [0.5] * 4, "b": [0.25] * 4}


def test_a_ratio_is_the_median_of_the_rounds_and_has_its_quartiles() -> None:
    item = speed("x", [1.0, 1.0, 1.0, 1.0, 1.0], [9.0, 2.0, 3.0, 1.0, 4.0], 3, "peer")
    assert (item.ratio, item.spread, item.met) == (3.0, (2.0, 4.0), True)
    assert (item.ours, item.peer) == (1.0, 1 / 3)


@pytest.mark.parametrize(
    ("item", "met"),
    [
        (speed("x", [1.0], [3.9], 4, "peer"), False),
        (speed("x", [1.0], [4.0], 4, "peer"), True),
        (cost("x", [2.0], [1.0], 2, "peer"), True),
        (cost("x", [2.1], [1.0], 2, "peer"), False),
        (limit("x", [30.0], 30, "µs"), True),
        (limit("x", [30.5], 30, "µs"), False),
    ],
)
def test_a_target_is_met_from_its_own_side(item: Item, met: bool) -> None:
    assert item.met is met


@pytest.mark.parametrize("prepare", [sessions._scp03, sessions._scp11a, sessions._holder])
def test_no_primitive_is_held_against_the_card_that_it_does_not_call(prepare: Callable[..., sessions.Flow]) -> None:
    with cards.issued_office() as office:
        card = sessions.WatchedCard(office)
        flow, alone = prepare(office, card)
        flow()
        called: Counter[str] = Counter()

        def transmit(command: bytes) -> bytes:
            answers: list[bytes] = []
            called.update(_library_calls(lambda: answers.append(card.card.transmit(command))))
            return answers[0]

        card.transmit = transmit
        flow()
        listed = _library_calls(lambda: alone(KeyOfAll))
    del listed["CMAC.copy"]  # cheaper than setting up the key again, which the card may do in its place
    assert listed
    assert listed - called == Counter()


def _library_calls(action: Callable[[], object]) -> Counter[str]:
    """How often methods and functions of `cryptography`'s compiled part are called."""
    calls: Counter[str] = Counter()

    def seen(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_call":
            owner = type(getattr(function, "__self__", None)).__module__ or ""
            if "bindings._rust" in f"{owner} {getattr(function, '__module__', '')}":
                calls[getattr(function, "__qualname__", "")] += 1

    sys.setprofile(seen)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def test_the_floor_of_issuing_is_what_a_card_really_takes() -> None:
    called: Counter[str] = Counter()

    def watch(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            called[getattr(argument, "__name__", "")] += 1

    with issuing.line() as line:
        for _ in range(2):  # what is done but once
            line.make()
        sys.setprofile(watch)
        try:
            line.make()
        finally:
            sys.setprofile(None)
    assert called["sign"] == issuing.SIGNATURES
    assert called["verify"] == issuing.VERIFICATIONS
    assert called["exchange"] == issuing.AGREEMENTS
    assert called["derive_private_key"] == issuing.KEY_PAIRS + issuing.STORED_KEYS
