"""`juki app`: beginning, building, testing, approving; what is no application, and what nobody may approve."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jukicard.applets.gp.approval import verify_approval
from jukicard.applets.gp.layout import municipal_code_aid, municipal_service_aid
from jukicard.cli import juki
from jukicard.commands.app.oncard import usual_name
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ApplicationRight, Limits
from jukicard.issuer.errors import HomeDamaged, RuleRefused
from jukicard.issuer.municipal import ordinance
from jukicard.issuer.municipal.approvals import Application, NotAnApplication, approve
from jukicard.testing.offices import Office
from tests.support.desk import Desk
from tests.support.issued import Offices, Stage


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application file, in the folder of its project."""
    folder = tmp_path_factory.mktemp("project") / "stamps"
    run("app", "new", str(folder))
    return Path(run("app", "build", str(folder), "--json")["application"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Offices(tmp_path_factory.mktemp("offices")).at(Stage.BLANK, tmp_path_factory.mktemp("office"))


def run(*words: str, code: int = 0) -> Any:
    result = CliRunner().invoke(juki, words)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if "--json" in words else result.output


@pytest.mark.parametrize("language", ["c", "python"])
def test_a_new_application_works_as_it_is(tmp_path: Path, language: str) -> None:
    folder = tmp_path / "swimming-pool"
    facts = run("app", "new", str(folder), "--language", language, "--service", "77", "--json")
    assert all((folder / name).read_text() for name in facts["files"])
    assert "${" not in "".join((folder / name).read_text() for name in facts["files"])
    run("app", "test", str(folder), "-q")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "stamps").mkdir()
    kept = tmp_path / "stamps" / "kept.txt"
    kept.write_text("kept")
    assert "not an empty folder" in run("app", "new", str(tmp_path / "stamps"), "--json", code=7)["error"]["message"]
    assert [path.name for path in kept.parent.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("words", [("Stamps",), ("1stamps",), ("stamps", "--city-code", "9920")])
def test_names_and_cities_that_cannot_be(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder, *more = words
    run("app", "new", str(tmp_path / folder), *more, code=2 if more else 7)
    assert not (tmp_path / folder).exists()


def test_a_failing_test_is_exit_code_1(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    run("app", "new", str(folder))
    (folder / "tests" / "test_wrong.py").write_text("def test_it():\n    assert False\n")
    run("app", "test", str(folder), "-q", code=1)
    (folder / "tests" / "test_wrong.py").unlink()
    run("app", "test", str(folder), "-q", code=2)


def test_the_compilers_words_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "wrong"
    run("app", "new", str(folder))
    (folder / "wrong.c").write_text("int process(void) { return forgotten; }\n")
    assert "forgotten" in run("app", "build", str(folder), "--json", code=1)["error"]["message"]
    assert not (folder / "build").exists()


def test_what_is_built_twice_is_the_same(built: Path) -> None:
    first = built.read_bytes()
    run("app", "build", str(built.parent.parent))
    assert built.read_bytes() == first


def test_an_approval_says_what_was_approved(built: Path, office: Office) -> None:
    limits = Limits(100, 65536, ApplicationRight.COUNTERS | ApplicationRight.CONTACT)
    approved = approve(office.authority, Application.parse(built.read_bytes()), "library", limits)
    said = verify_approval(approved.approval, office.authority.approval_key)
    assert (said.load_file, said.version) == (municipal_code_aid("99201", 0x1000), 1)
    assert (said.purpose, said.municipality, said.limits) == ("library", "99201", limits)
    assert said.digest == approved.structure.digest
    assert Application.parse(approved.encode()) == approved
    assert Application.parse(approved.encode()).approved_by(office.authority) == said


def test_an_approval_counts_for_the_code_that_was_approved_and_no_other(built: Path, office: Office) -> None:
    limits = Limits(100, 65536, ApplicationRight.COUNTERS)
    approved = approve(office.authority, Application.parse(built.read_bytes()), "library", limits)
    module = approved.data_block.modules[0]
    other = replace(approved.data_block, modules=(replace(module, label="Another"),))
    swapped = replace(approved, structure=replace(approved.structure, data_block=other.encode()), data_block=other)
    for wrong in (swapped, replace(approved, approval=b""), replace(approved, approval=approved.approval[:-1] + b"\0")):
        with pytest.raises(NotAnApplication):
            wrong.approved_by(office.authority)


def test_only_what_the_ordinance_lists_is_approved(built: Path, offices_desk: Desk) -> None:
    words = ("app", "approve", str(built), *offices_desk.authority)
    refused = offices_desk.facts(*words, "--purpose", "gambling", code=1)["error"]["message"]
    assert "gambling" in refused
    assert "library" in refused
    assert not built.with_suffix(".approved").exists()
    offices_desk.facts("authority", "ordinance", "--allow", "gambling", "賭博")
    assert offices_desk.facts(*words, "--purpose", "gambling")["purpose_title"] == "賭博"
    offices_desk.facts("authority", "ordinance", "--forbid", "gambling")
    offices_desk.facts(*words, "--purpose", "gambling", code=1)


def test_limits_come_from_the_project_or_the_command_line(built: Path, offices_desk: Desk, tmp_path: Path) -> None:
    words = ("--purpose", "library", *offices_desk.authority)
    asked = offices_desk.facts("app", "approve", str(built), *words, "--out", str(tmp_path / "a.approved"))
    assert (asked["storage"], asked["rights"]) == (1024, ["counters", "contact", "contactless"])
    less = offices_desk.facts("app", "approve", str(built), *words, "--storage", "7", "--right", "contact")
    assert (less["storage"], less["memory"], less["rights"]) == (7, 65536, ["contact"])
    alone = tmp_path / "alone.app"
    alone.write_bytes(built.read_bytes())
    assert "--storage" in offices_desk.facts("app", "approve", str(alone), *words, code=2)["error"]["message"]


@pytest.fixture
def offices_desk(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk.at(Offices(tmp_path_factory.mktemp("offices")), Stage.BLANK, tmp_path / "desk")


@pytest.mark.parametrize("content", [b"", b"\0", b"C4", b"\xc4\x00", b"\xe2\x00\xc4\x00", b"\x7fELF"])
def test_what_is_no_application_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NotAnApplication):
        Application.parse(content)
    (tmp_path / "it.app").write_bytes(content)
    run("app", "info", str(tmp_path / "it.app"), "--json", code=1)


def test_an_application_is_called_by_its_service_or_like_its_module() -> None:
    module = AID(b"\xf0module")
    assert usual_name(municipal_code_aid("99201", 5), module) == municipal_service_aid("99201", 5)
    assert usual_name(AID(b"\xf0other"), module) == module


def test_the_ordinance_is_kept(tmp_path: Path) -> None:
    assert ordinance.purposes(tmp_path) == ordinance.USUAL_PURPOSES
    ordinance.allow(tmp_path, "pool", "市民プール")
    assert ordinance.purposes(tmp_path) == {**ordinance.USUAL_PURPOSES, "pool": "市民プール"}
    ordinance.forbid(tmp_path, "library")
    assert "library" not in ordinance.purposes(tmp_path)


@pytest.mark.parametrize(("name", "title"), [("", "x"), ("Pool", "x"), ("a" * 33, "x"), ("pool", ""), ("pool", "\n")])
def test_purposes_that_cannot_be(tmp_path: Path, name: str, title: str) -> None:
    with pytest.raises(RuleRefused):
        ordinance.allow(tmp_path, name, title)
    assert not (tmp_path / ordinance.ORDINANCE_FILE).exists()


def test_a_purpose_that_is_not_listed_is_not_struck_out(tmp_path: Path) -> None:
    with pytest.raises(RuleRefused):
        ordinance.forbid(tmp_path, "pool")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": "x"}', '{"format": "jukicard ordinance", "version": 1, "purposes": {"A": "x"}}']
)
def test_a_damaged_ordinance_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / ordinance.ORDINANCE_FILE).write_text(content)
    with pytest.raises(HomeDamaged):
        ordinance.purposes(tmp_path)
