"""The kit: what app.toml says, and what the compiler makes of sources."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jukicard.applets.wasm.checking import check
from jukicard.applets.wasm.layout import PAGE
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ApplicationRight, Limits
from jukicard.sdk.building import BuildError, build, build_module
from jukicard.sdk.project import Project, ProjectError

EXAMPLES = Path(__file__).parents[3] / "examples" / "apps"
HELLO = (EXAMPLES / "hello" / "app.toml").read_text()


def folder(tmp_path: Path, source: str, toml: str = HELLO) -> Path:
    (tmp_path / "hello.c").write_text(f'#include "juki.h"\n{source}\n')
    (tmp_path / "app.toml").write_text(toml)
    return tmp_path


def test_what_app_toml_says() -> None:
    both = ApplicationRight.CONTACT | ApplicationRight.CONTACTLESS
    hello = Project.read(EXAMPLES / "hello")
    assert (hello.load_file, hello.module) == (AID(b"\xf0hello"), AID(b"\xf0hello\x01"))
    assert (hello.label, hello.version) == ("Hello", 1)
    assert hello.limits == Limits(1024, PAGE, both)
    counter = Project.read(EXAMPLES / "counter")
    rights = both | ApplicationRight.FILES | ApplicationRight.COUNTERS | ApplicationRight.PASSWORDS
    assert counter.limits == Limits(1024, 65536, rights)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('label = "Hello"', "", "label"),
        ('label = "Hello"', 'label = ""', "label"),
        ('label = "Hello"', 'label = "seventeen letters"', "label"),
        ("version = 1", "version = 65536", "version"),
        ("version = 1", 'version = "1"', "version"),
        ('"hello.c"', '"absent.c"', "absent.c"),
        ('["hello.c"]', "[]", "sources"),
        ('["hello.c"]', '"hello.c"', "sources"),
        ("F0 68 65 6C 6C 6F 01", "F0", "AID"),
        ("F0 68 65 6C 6C 6F 01", "not hexadecimal", ""),
        ("F0 68 65 6C 6C 6F 01", "F0 68 65 6C 6C 70 01", "one byte more"),
        ("F0 68 65 6C 6C 6F 01", "F0 68 65 6C 6C 6F", "one byte more"),
        ("version = 1", "version = 1\nunknown = 2", "unknown"),
        ("version = 1", "version = 1\nstorage = -1", "storage"),
        ("version = 1", "version = 1\nmemory = 1000", "memory"),
        ("version = 1", "version = 1\nmemory = 0", "memory"),
        ("version = 1", 'version = 1\nrights = ["everything"]', "everything"),
        ("version = 1", "version = ", ""),
    ],
)
def test_what_app_toml_cannot_say(tmp_path: Path, old: str, new: str, match: str) -> None:
    assert old in HELLO
    with pytest.raises(ProjectError) as caught:
        Project.read(folder(tmp_path, "", HELLO.replace(old, new)))
    assert match in str(caught.value)
    assert str(tmp_path / "app.toml") in str(caught.value)


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"app\.toml"):
        Project.read(tmp_path)


@pytest.mark.parametrize("name", ["hello", "counter"])
def test_the_examples_are_built_the_same_each_time(name: str) -> None:
    project = Project.read(EXAMPLES / name)
    first, second = build(project), build(project)
    assert first == second
    (module,) = first.modules
    assert (module.aid, module.label, module.interface) == (project.module, project.label, 1)
    assert check(module.code).memory == project.limits.memory
    assert len(module.code) < 2000


def test_the_compiler_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"hello\.c:2"):
        build(Project.read(folder(tmp_path, "int process(void) { return nothing; }")))


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("float f = 1; int process(void) { return (int)(f * 3.5f); }", "no card would take"),
        ("int other(void);", "process"),
        ("int absent(void); int process(void) { return absent(); }", "absent"),
        ("static char big[70000]; int process(void) { big[juki_channel()] = 1; return big[5]; }", "memory"),
    ],
)
def test_what_no_card_takes_is_not_built(tmp_path: Path, source: str, match: str) -> None:
    with pytest.raises(BuildError, match=match):
        build(Project.read(folder(tmp_path, source)))


def test_without_a_compiler_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(BuildError, match="clang and lld"):
        build_module([EXAMPLES / "hello" / "hello.c"])
