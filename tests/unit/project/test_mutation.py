"""The mutation testing tool, on toy modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation import accepted
from tests.mutation.operators import mutants_of

ROOT = Path(__file__).parents[3]
MODULE = """
LIMIT = 3


def allowed(tries):
    return tries < LIMIT


def spend(counter):
    if counter.left == 0:
        raise ValueError("none left")
    counter.left -= 1
    return counter.left
"""
TESTS = """
import pytest
from toy import LIMIT, allowed, spend


class Counter:
    left = 1


def test_limit():
    assert LIMIT == 3


def test_allowed():
    assert allowed(0)
    assert not allowed(4)


def test_spend():
    counter = Counter()
    assert spend(counter) == counter.left == 0
    with pytest.raises(ValueError):
        spend(counter)
"""
AT_THE_LIMIT = """
[[survivor]]
module = "toy.py"
scope = "allowed"
line = "return tries < LIMIT"
changes = ["tries < LIMIT -> tries <= LIMIT"]
because = "a toy"
"""

TYPING = """
if TYPE_CHECKING:
    from a import b
"""


def changes(source: str) -> list[str]:
    """What is changed in a module."""
    return [mutant.change for mutant in mutants_of("toy.py", source, "toy.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["a < b -> a <= b", "a < b -> a >= b"]),
        ("x = a == b", ["a == b -> a != b"]),
        ("x = a and b", ["a and b -> a or b", "a and b -> b", "a and b -> a"]),
        ("x = not a", ["not a -> a"]),
        ("x = True", ["True -> False"]),
        ("x = 7", ["7 -> 8"]),
        ("x = a & b", ["a & b -> a | b"]),
        ("x = b if a else c", ["b if a else c -> b", "b if a else c -> c"]),
        ("x = [a for a in b if a]", ["[a for a in b if a] -> [a for a in b]"]),
        ("def f():\n    return g()", ["returns None"]),
        ("def f() -> bool:\n    return g()", ["returns the opposite"]),
        ("def f():\n    raise g", ["removed"]),
        ("f()", ["removed"]),
        ("x.y = a", ["removed"]),
        ("if a:\n    b", ["a -> True", "a -> False"]),
        ("while a:\n    b", ["a -> False"]),
        ("for a in b:\n    continue", ["continue -> break"]),
    ],
)
def test_faults(source: str, expected: list[str]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    ['"""Text."""', "x = 'text'", "x = f'{a:02x}'", "x: 1 < 2", "__slots__ = (1,)", "assert a < b", "x = a", TYPING],
)
def test_what_is_no_behaviour_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_a_mutant_is_known_by_its_line_and_not_by_its_place() -> None:
    def keys(source: str) -> set[tuple[str, ...]]:
        return {mutant.key for mutant in mutants_of("toy.py", source, "toy.py")}

    assert keys(MODULE) == keys("\n\n\n" + MODULE)
    assert ("toy.py", "allowed", "return tries < LIMIT", "tries < LIMIT -> tries <= LIMIT") in keys(MODULE)


def test_a_survivor_needs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    mutants = mutants_of("toy.py", MODULE, "toy.py")
    path.write_text(accepted.as_toml(mutants))
    with pytest.raises(ValueError, match="no reason"):
        accepted.read(path)
    path.write_text(accepted.as_toml(mutants).replace('because = ""', 'because = "a toy"'))
    assert set(accepted.read(path)) == {mutant.key for mutant in mutants}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    (tmp_path / "toy.py").write_text(MODULE)
    (tmp_path / "test_toy.py").write_text(TESTS)
    return tmp_path


def run(toy: Path, listed: str, percent: int = 90) -> tuple[int, str]:
    """Run the tool over the toy; its exit code and what it printed."""
    (toy / "survivors.toml").write_text(listed)
    command = [sys.executable, "-m", "tests.mutation", "toy.py", "--root", str(toy), "--tests", "test_toy.py"]
    options = ["--survivors", str(toy / "survivors.toml"), "--workers", "2", "--percent", str(percent)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout


def test_what_is_wrong_is_said_and_is_the_exit_code(toy: Path) -> None:
    code, printed = run(toy, AT_THE_LIMIT.replace("<= LIMIT", "== LIMIT"), percent=95)
    assert code == 1
    assert "1 survivors are not listed" in printed
    assert AT_THE_LIMIT.splitlines()[4] in printed
    assert "stale" in printed
    assert "91.7 % were killed, 95 are wanted" in printed
    assert printed.splitlines()[-1] == "mutants: total=12 killed=11 survived=1"


def test_an_accepted_survivor_is_no_fault(toy: Path) -> None:
    assert run(toy, AT_THE_LIMIT)[0] == 0


KEPT = """
import functools
from toy import make


def made():
    return make()


made.__module__ = "tests.toy"
made = functools.cache(made)


def test_one():
    assert made()


def test_two():
    assert made() == 7
"""


def test_what_a_cache_keeps_is_made_anew_with_each_fault_and_looked_at_by_all_tests_of_a_file(toy: Path) -> None:
    (toy / "toy.py").write_text("def make():\n    return 7\n")
    (toy / "test_toy.py").write_text(KEPT)
    code, printed = run(toy, "")
    assert (code, printed.splitlines()[-1]) == (0, "mutants: total=2 killed=2 survived=0")


def test_tests_that_fail_without_a_mutant_prove_nothing(toy: Path) -> None:
    (toy / "test_toy.py").write_text("def test_nothing():\n    assert False\n")
    code, printed = run(toy, "")
    assert code == 1
    assert not printed
