"""The wheel, built from what the repository holds, works outside of it: nothing but itself and what it declares."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SOURCES = ("jukicard", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
FONTS = "jukicard/issuer/faces/fonts"


def _run(*words: str | Path, cwd: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that sees nothing of this checkout: no PYTHONPATH, no `JUKI_…`, a HOME of its own."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUKI_", "PYTHON", "PIP_", "XDG_"))
    }
    ran = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env=kept | {"HOME": str(home), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, f"{words[0]}: {ran.stdout[-2000:]}{ran.stderr[-4000:]}"
    return ran


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built offline by the backend that is installed, from a copy of its sources."""
    work = tmp_path_factory.mktemp("wheel")
    source, out = work / "source", work / "dist"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, source / name)
    build = ("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", out)
    _run(*PIP, *build, source, cwd=work, home=work)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it, beside links to the distributions that it declares."""
    environment = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment, home=environment)
    python = environment / "bin" / "python"
    install = ("--python", python, "install", "--no-deps", "--no-index", wheel)
    _run(*PIP, *install, cwd=environment, home=environment)
    places = sysconfig.get_paths(vars={"base": str(environment), "platbase": str(environment)})
    for distribution in _declared("jukicard", wheel):
        _link(distribution, Path(places["purelib"]))
    return environment


def _declared(name: str, wheel: Path) -> Iterator[metadata.Distribution]:
    """Yield the distributions that the wheel requires for this system, and what those require."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA"))
        lines = archive.read(path).decode().splitlines()
    waiting = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    seen = {name}
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in seen or not (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        distribution = metadata.distribution(requirement.name)
        waiting += distribution.requires or []
        yield distribution


def _link(distribution: metadata.Distribution, into: Path) -> None:
    """Link a distribution's files and folders; what lies outside of site-packages (scripts) is not needed."""
    tops = {path.parts[0] for path in distribution.files or [] if path.parts[0] not in {"..", "__pycache__"}}
    for top in tops:
        if not (into / top).exists():
            (into / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())


def test_it_holds_every_file_of_the_package_and_the_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = ROOT / "jukicard"
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {str(path.relative_to(ROOT)) for path in files}
    assert {"jukicard/py.typed", "jukicard/commands/demo/data/taro.json"} <= expected
    assert {f"{FONTS}/{name}" for name in ("BIZUDMincho-Regular.ttf", "OFL.txt")} <= expected
    assert {"jukicard/sdk/c/juki.h", "jukicard/sdk/c/juki.c"} <= expected
    assert expected - names == set(), "files of the package that pyproject.toml's package-data forgot"
    assert {name for name in names if not name.startswith("jukicard-")} - expected == set(), "nothing else"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_is_the_wheel_that_is_imported(installed: Path, tmp_path: Path) -> None:
    shown = _run(
        installed / "bin" / "python", "-c", "import jukicard; print(jukicard.__file__)", cwd=tmp_path, home=tmp_path
    )
    assert Path(shown.stdout.strip()).is_relative_to(installed)


def test_the_public_names_and_the_pytest_plugin_are_there(installed: Path, tmp_path: Path) -> None:
    program = (
        "from importlib.metadata import entry_points; from importlib.util import find_spec; import jukicard;"
        "assert all(hasattr(jukicard, name) for name in jukicard.__all__);"
        "print(*(entry.value for entry in entry_points(group='pytest11') if find_spec(entry.value)))"
    )
    shown = _run(installed / "bin" / "python", "-c", program, cwd=tmp_path, home=tmp_path)
    assert "jukicard.testing.plugin" in shown.stdout.split()


def test_help_lists_the_commands(installed: Path, tmp_path: Path) -> None:
    shown = _run(installed / "bin" / "juki", "--help", cwd=tmp_path, home=tmp_path).stdout
    assert {"demo", "issue", "auth", "serve"} <= set(shown.split())


def test_the_demo_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    told = _run(installed / "bin" / "juki", "demo", "--out", "told", cwd=empty, home=tmp_path).stdout
    assert "BROKEN" not in told
    assert "What was shown" in told
    assert [path.name for path in empty.iterdir()] == ["told"]
    assert list((empty / "told" / "cards").glob("7992*.juki"))


def test_the_demo_without_a_folder_leaves_nothing_behind(installed: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "What was shown" in _run(installed / "bin" / "juki", "demo", cwd=empty, home=tmp_path).stdout
    assert list(empty.iterdir()) == []
