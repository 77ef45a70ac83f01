"""`juki app new`, `build` and `test`: for those who write an application.  No card and no authority is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from jukicard.applets.gp.loadfile import LoadFileStructure
from jukicard.commands.options import json_option, print_facts
from jukicard.sdk import building, skeleton
from jukicard.sdk.project import NAME, Project

FOLDER = click.Path(file_okay=False, path_type=Path)
APPLICATION_SUFFIX = ".app"
BUILD_FOLDER = "build"
NO_TESTS, TESTS_FAILED = 5, 1


@click.command
@click.argument("folder", type=FOLDER)
@click.option("--language", type=click.Choice(skeleton.LANGUAGES), default="c", show_default=True, help="In which.")
@click.option("--city-code", default="99201", show_default=True, help="Whose service it will be: 5 digits.")
@click.option("--service", type=click.IntRange(1, 0xFFFF), default=0x1000, show_default=True, help="Its number there.")
@json_option
def new(folder: Path, language: str, city_code: str, service: int, as_json: bool) -> None:
    """Begin an application: a folder with its source and a test, which work as they are.

    In C it is compiled to WebAssembly and loaded onto cards, which trust it with nothing. In Python it becomes a part
    of the chip (an entry point of an installed package), and is trusted with everything.

    \b
    Examples:
      juki app new stamps
      juki app new pool --language python --service 4097
    """
    try:
        written = skeleton.create(folder, language, city_code, service)
    except ValueError as error:  # no city code
        raise click.BadParameter(str(error), param_hint="--city-code") from None
    print_facts({"folder": str(folder), "files": [str(path.relative_to(folder)) for path in written]}, as_json=as_json)


@click.command
@click.argument("folder", type=FOLDER, default=Path())
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The application file.")
@json_option
def build(folder: Path, out: Path | None, as_json: bool) -> None:
    """Build an application in C, with clang and lld, and check it as a card would.

    The application file (FOLDER/build/NAME.app) is a GlobalPlatform load file with the module in it. The same source
    and compiler give the same bytes.

    \b
    Examples:
      juki app build stamps
      juki app build --out stamps.app
    """
    project = Project.read(folder)
    structure = LoadFileStructure((), building.build(project).encode())
    path = out or folder / BUILD_FOLDER / f"{folder.resolve().name}{APPLICATION_SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(structure.encode())
    facts = {
        "application": str(path),
        "load_file": str(project.load_file),
        "size": len(structure.data_block),
        "digest": structure.digest.hex(),
    }
    print_facts(facts, as_json=as_json)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("folder", type=FOLDER, default=Path())
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(folder: Path, pytest_arguments: tuple[str, ...]) -> int:
    """Run an application's tests, each on a card of its own, with pytest.

    A test asks for the fixture juki_app and gets a card with the application on it, built from the folder and selected.
    What stands behind FOLDER goes to pytest.

    \b
    Examples:
      juki app test stamps
      juki app test stamps -k counts -x
    """
    if (folder / NAME).exists():
        Project.read(folder)  # its faults are told here, and not once for each test
    place = ["-p", "no:cacheprovider", f"--rootdir={folder}", *pytest_arguments, str(folder)]
    done = subprocess.run([sys.executable, "-m", "pytest", *place], check=False)  # noqa: S603  our own interpreter
    if done.returncode == NO_TESTS:
        raise click.UsageError(f"{folder} has no tests")
    return TESTS_FAILED if done.returncode else 0
