"""What holds for the project's own files: nothing of one machine, sizes, pins, documented extras."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 60

# Character classes keep these patterns from matching themselves.
BUILD_MACHINE = re.compile(r"(?<![\w.$}-])/(?:wor[k]|roo[t]|tmp/[w]|opt/(?:pyp[i]|wheel[s]))(?![\w.-])")
REGISTRY_HOSTS = re.compile(
    r"pyp[i]\.org|pythonhosted\.or[g]|npmj[s]\.(?:org|com)|crate[s]\.io|index-ur[l]|deb\.debia[n]\.org|prox[y]\.golang"
)


def tracked_files() -> list[Path]:
    """What belongs to the project: git's list, or in an unpacked archive all that was not made here."""
    if (ROOT / ".git").exists():
        # The checkout may belong to another user than the one who runs the tests.
        command = [
            "git",
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
        found = [ROOT / name for name in listed.split("\0") if name]
        return [path for path in found if path.is_file()]
    made = {".venv", "out", "site", "build", "dist", "__pycache__"}
    caches = {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(part in made | caches or part.endswith(".egg-info") for part in path.relative_to(ROOT).parts)
    ]


def texts() -> Iterator[tuple[str, str]]:
    """Yield (name, text) of the project's text files."""
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            # What municipal systems export is in CP932, and such a file says so in its name.
            yield str(path.relative_to(ROOT)), content.decode("cp932" if "cp932" in path.name else "utf-8")


def lines_with(pattern: re.Pattern[str], files: Iterator[tuple[str, str]]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in files
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def sources() -> list[Path]:
    """The modules that the sizes hold for: the package and the scripts, not the tests."""
    return [
        *(ROOT / "jukicard").rglob("*.py"),
        *(ROOT / "scripts").glob("*.py"),
        *(ROOT / "docs").glob("*.py"),
    ]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


@pytest.mark.parametrize("folder", ["wor" + "k", "roo" + "t", "tmp/" + "w"])
def test_paths_of_the_building_machine_are_recognised(folder: str) -> None:
    for line in [f"see /{folder}/x", f'"/{folder}"', f"HOME=/{folder}"]:
        assert lines_with(BUILD_MACHINE, iter([("file", line)]))
    for line in ["a/works", "the frame/work-load", f"docs/{folder}/x", f"$HOME/{folder}/x"]:
        assert not lines_with(BUILD_MACHINE, iter([("file", line)]))


def test_no_path_of_the_building_machine() -> None:
    assert lines_with(BUILD_MACHINE, texts()) == []


def test_registry_hosts_are_recognised() -> None:
    assert lines_with(REGISTRY_HOSTS, iter([("file", "https://" + "pypi" + ".org/simple")]))


def test_no_registry_host() -> None:
    assert lines_with(REGISTRY_HOSTS, texts()) == []


def test_modules_are_short() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: lines for name, lines in long.items() if lines > MAX_MODULE_LINES} == {}


def test_functions_are_short() -> None:
    long = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines")
    assert long == []


def test_constraints_hold_names_and_versions_only() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line)] == []
    assert lines == sorted(set(lines))


def test_every_dependency_is_pinned() -> None:
    project = pyproject()
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(name for extra in extras.values() for name in extra)]
    names = {normal(re.split(r"[<>=!;\[ ]", requirement, maxsplit=1)[0]) for requirement in wanted}
    assert names <= {normal(name) for name in pins()}


def test_documentation_lists_the_extras() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "index.md").read_text(), re.MULTILINE))
    assert documented == set(pyproject()["optional-dependencies"])


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]
