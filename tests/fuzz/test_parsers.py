"""The targets of the coverage-guided fuzzing, on their seeds and on spoilt ones; and that it runs where it should."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from random import Random

import pytest

from jukicard.iso7816 import tlv
from tests.fuzz import parsers
from tests.fuzz.parser_targets import SEEDS, TARGETS

with_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="no atheris for this Python: see docs/fuzzing.md"
)
every_target = pytest.mark.parametrize("name", sorted(TARGETS))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@every_target
def test_a_parser_keeps_its_contract(name: str) -> None:
    rng = Random(name)
    seeds = list(SEEDS[name]())
    assert seeds
    for seed in seeds:
        TARGETS[name](seed)
        for _ in range(60):
            spoilt = bytearray(seed)
            for _ in range(rng.randint(1, 3)):
                at = rng.randrange(len(spoilt) + 1)
                spoilt[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
            TARGETS[name](bytes(spoilt))


def test_a_parser_that_breaks_its_contract_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(iter(SEEDS["tlvs"]()))

    def encode(self: tlv.Tlv) -> bytes:
        return tlv.encode_tag(self.tag) + b"\x81" + bytes((len(self.value),)) + self.value

    monkeypatch.setattr(tlv.Tlv, "encode", encode)
    with pytest.raises(parsers.Broken):
        TARGETS["tlvs"](seed)


def test_atheris_is_there_where_the_project_installs_it() -> None:
    assert importlib.util.find_spec("atheris") or not parsers.must_have_atheris()


@with_atheris
def test_coverage_guided_fuzzing_runs(tmp_path: Path) -> None:
    results = parsers.fuzz(("tlvs", "aid"), 1, 1, tmp_path, processes=2)
    assert [found for _, found in results.values()] == ["", ""]
    assert all(units > 100 for units, _ in results.values())


@with_atheris
def test_coverage_guided_fuzzing_ends_at_its_deadline(tmp_path: Path) -> None:
    started = time.monotonic()
    assert parsers.fuzz(("tlvs",), 60, 1, tmp_path, deadline=started + 0.5) == {"tlvs": (0, "")}
    assert time.monotonic() - started < 20


@with_atheris
def test_coverage_guided_fuzzing_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target made for that: it fails on an input that only its coverage leads to."""
    monkeypatch.setattr(parsers, "samples", lambda _name: [b"seed"])
    _, found = parsers.fuzz(("broken",), 20, 1, tmp_path)["broken"]
    assert "output.txt" in found
    assert "Broken" in (tmp_path / "broken" / "output.txt").read_text()
