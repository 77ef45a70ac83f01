"""The targets of the coverage-guided fuzzing, on their seeds and on spoilt ones; and that it runs where it should."""

from __future__ import annotations

import importlib.util
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
    monkeypatch.setattr(tlv, "encode_length", lambda length: b"\x81" + bytes((length,)))
    with pytest.raises(parsers.Broken):
        TARGETS["tlvs"](seed)


def test_atheris_is_there_where_the_project_installs_it() -> None:
    assert importlib.util.find_spec("atheris") or not parsers.must_have_atheris()


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="no atheris for this Python: see docs/fuzzing.md"
)
def test_coverage_guided_fuzzing_runs(tmp_path: Path) -> None:
    units, found = parsers.fuzz("tlvs", 1, 1, tmp_path)
    assert found == ""
    assert units > 100


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="no atheris for this Python: see docs/fuzzing.md"
)
def test_coverage_guided_fuzzing_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target made for that: it fails on an input that only its coverage leads to."""
    monkeypatch.setattr(parsers, "samples", lambda _name: [b"seed"])
    _, found = parsers.fuzz("broken", 20, 1, tmp_path)
    assert "output.txt" in found
    assert "Broken" in (tmp_path / "output.txt").read_text()
