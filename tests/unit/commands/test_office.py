"""`juki authority`, `juki terminal`, `juki chip`: the home and what is made in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.desk import Desk, private_file
from tests.support.issued import CITY

INIT = ("authority", "init", "--city-code", "99201", "--city-name", "見本市")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty home that is still to be made."""
    private_file(tmp_path / "authority.txt", "authority 5501\n")
    return Desk(tmp_path, tmp_path / "home")


def test_an_authority_is_made_with_its_three_terminals(desk: Desk) -> None:
    facts = desk.facts(*INIT, "--contact", "0120-00-0000", *desk.authority)
    assert facts["terminals"] == ["counter", "issuing-machine", "municipal-service"]
    assert (facts["city_code"], facts["city_name"], facts["home"]) == ("99201", "見本市", str(desk.home))
    assert desk.home.stat().st_mode & 0o777 == 0o700
    assert (desk.home / "keys.json").stat().st_mode & 0o777 == 0o600
    listed = desk.facts("terminal", "list")["terminals"]
    assert {terminal["name"] for terminal in listed} == set(facts["terminals"])


def test_an_authority_is_not_made_twice(desk: Desk) -> None:
    assert desk.run(*INIT, *desk.authority).exit_code == 0
    before = (desk.home / "keys.json").read_bytes()
    result = desk.run(*INIT)  # not even asked for the password
    assert result.exit_code == 6
    assert "already" in result.stderr
    assert (desk.home / "keys.json").read_bytes() == before


@pytest.mark.parametrize("code", ["1", "abcde", "992012"])
def test_a_code_that_is_no_municipalitys_is_refused(desk: Desk, code: str) -> None:
    result = desk.run("authority", "init", "--city-code", code, "--city-name", "見本市", *desk.authority)
    assert result.exit_code == 1
    assert "city code" in result.stderr
    assert not desk.home.exists()


def test_six_digits_with_the_check_digit_are_understood(desk: Desk) -> None:
    words = ("authority", "init", "--city-code", "992011", "--city-name", "見本市", *desk.authority)
    assert desk.facts(*words)["city_code"] == "99201"


def test_two_municipalities_share_a_national_root(desk: Desk) -> None:
    national = desk.folder / "national"
    assert desk.facts("authority", "national", str(national), *desk.authority)["national_root"] == str(national)
    assert national.stat().st_mode & 0o777 == 0o700
    roots = []
    for code in ("99201", "99202"):
        home = desk.folder / code
        words = ("authority", "init", "--city-code", code, "--city-name", "市", "--national", str(national))
        assert desk.run(*words, "--home", str(home), *desk.authority).exit_code == 0
        roots.append((home / "certificates" / "national-root.pem").read_bytes())
    assert roots[0] == roots[1]
    assert desk.run("authority", "national", str(national), *desk.authority).exit_code == 6


def test_a_national_root_may_have_a_password_of_its_own(desk: Desk) -> None:
    national = desk.folder / "national"
    own = str(private_file(desk.folder / "national.txt", "national 8812"))
    desk.facts("authority", "national", str(national), "--authority-password-file", own)
    words = (*INIT, "--national", str(national), *desk.authority)
    assert desk.run(*words, "--national-password-file", desk.authority[1]).exit_code == 4
    assert not desk.home.exists()
    assert desk.run(*words, input="wrong\n").exit_code == 4
    assert desk.run(*words, "--national-password-file", own).exit_code == 0


def test_the_home_may_be_named_before_or_after_the_command(desk: Desk) -> None:
    assert desk.run("--home", str(desk.folder / "a"), *INIT, *desk.authority, home=False).exit_code == 0
    assert desk.run(*INIT, *desk.authority, "--home", str(desk.folder / "b"), home=False).exit_code == 0
    assert desk.run("terminal", "list", JUKI_HOME=str(desk.folder / "a")).exit_code == 0
    assert (desk.folder / "b" / "authority.json").exists()


def test_without_a_home_given_it_is_the_platforms(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(desk.folder / "data"))
    monkeypatch.setenv("HOME", str(desk.folder))
    result = desk.run("terminal", "list", home=False)
    assert result.exit_code == 6
    assert str(desk.folder) in result.stderr
    assert "jukicard" in result.stderr


def test_a_chip_is_made_with_the_homes_storage_key(desk: Desk) -> None:
    card = desk.folder / "blank.juki"
    facts = desk.facts("chip", "new", str(card), "--serial", "12345")
    assert facts == {"card": str(card), "chip": "0000000000012345"}
    assert card.stat().st_mode & 0o777 == 0o600
    assert desk.home.stat().st_mode & 0o777 == 0o700
    assert (desk.home / "storage.key").stat().st_mode & 0o777 == 0o600
    info = desk.facts("card", "info", "--reader", f"emulator:{card}")
    assert (info["card_number"], info["juki_application"]) == ("0000000000012345", False)
    assert {key["kvn"] for key in info["keys"]} == {"FF"}
    # An authority may still be made in that home, and keeps the key.
    desk.facts(*INIT, *desk.authority)
    desk.facts("card", "info", "--reader", f"emulator:{card}")


def test_a_chip_without_a_number_gets_a_random_one(desk: Desk) -> None:
    numbers = {desk.facts("chip", "new", str(desk.folder / f"{n}.juki"))["chip"] for n in range(2)}
    assert len(numbers) == 2


def test_a_card_file_is_never_overwritten(active: Desk) -> None:
    before = active.card.read_bytes()
    result = active.run("chip", "new", str(active.card))
    assert result.exit_code == 1
    assert active.card.read_bytes() == before


@pytest.mark.parametrize(("arguments", "code"), [(("--serial", "1" * 17), 2), (("--serial", "-1"), 2), ((), 3)])
def test_a_chip_that_cannot_be_made(desk: Desk, arguments: tuple[str, ...], code: int) -> None:
    assert desk.run("chip", "new", str(desk.folder / "no folder" / "x.juki"), *arguments).exit_code == code


def test_a_storage_key_of_ones_own(desk: Desk) -> None:
    key, card = desk.folder / "own.key", desk.folder / "x.juki"
    desk.facts("chip", "new", str(card), "--storage-key", str(key))
    assert key.stat().st_mode & 0o777 == 0o600
    assert not desk.home.exists()
    words = ("card", "info", "--reader", f"emulator:{card}")
    assert desk.run(*words).exit_code == 6
    desk.facts(*words, "--storage-key", str(key))
    desk.facts("chip", "new", str(desk.folder / "y.juki"))
    result = desk.run(*words)
    assert result.exit_code == 6
    assert "key" in result.stderr


def test_terminals_are_made_with_chosen_rights_and_days(blank: Desk) -> None:
    words = ("terminal", "new", "kiosk-1", "--role", "kiosk", "--rights", "identify, match", "--rights", "suspend")
    facts = blank.facts(*words, "--not-before", "2026-12-01", "--not-after", "2027-03-31", *blank.authority)
    assert facts == {
        "name": "kiosk-1",
        "area": "juki",
        "role": "kiosk",
        "rights": ["identify", "suspend", "match"],
        "municipality": CITY.code,
        "not_before": "2026-12-01",
        "not_after": "2027-03-31",
    }
    assert facts in blank.facts("terminal", "list")["terminals"]
    assert "kiosk-1" in blank.run("terminal", "list").stdout


def test_the_role_follows_from_the_rights_unless_it_is_given(blank: Desk) -> None:
    made = [
        blank.facts("terminal", "new", f"t{n}", "--rights", rights, *blank.authority)
        for n, rights in enumerate(("identify", "municipal-service", ""))
    ]
    assert [terminal["role"] for terminal in made] == ["counter", "municipal-service", "counter"]
    assert [terminal["area"] for terminal in made] == ["juki", "municipal", "juki"]
    assert made[2]["rights"] == []


@pytest.mark.parametrize(
    ("name", "rights", "code"),
    [
        ("counter", "identify", 6),
        ("Counter", "identify", 6),
        ("mixed", "identify,municipal-service", 6),
        ("flying", "fly", 6),
    ],
)
def test_terminals_that_cannot_be(blank: Desk, name: str, rights: str, code: int) -> None:
    before = sorted(path.name for path in (blank.home / "terminals").iterdir())
    assert blank.run("terminal", "new", name, "--rights", rights, *blank.authority).exit_code == code
    assert sorted(path.name for path in (blank.home / "terminals").iterdir()) == before


def test_the_certificates_of_a_terminal_are_exported_without_a_password(blank: Desk) -> None:
    result = blank.run("terminal", "export", "counter", "--pem")
    chain = x509.load_pem_x509_certificates(result.stdout_bytes)
    assert chain[-1].issuer == chain[-2].subject
    assert "PRIVATE" not in result.stdout
    out = blank.folder / "counter.pem"
    assert blank.run("terminal", "export", "counter", "--out", str(out)).exit_code == 0
    assert out.read_bytes() == result.stdout_bytes


def test_a_key_is_exported_into_a_private_file_only(blank: Desk) -> None:
    result = blank.run("terminal", "export", "counter", "--with-key", *blank.authority)
    assert result.exit_code == 2
    out = blank.folder / "counter.pem"
    result = blank.run("terminal", "export", "counter", "--with-key", "--out", str(out), *blank.authority)
    assert result.exit_code == 0, result.output
    assert out.stat().st_mode & 0o777 == 0o600
    key = load_pem_private_key(out.read_bytes(), None)
    leaf = x509.load_pem_x509_certificates(out.read_bytes())[-1]
    assert key.public_key() == leaf.public_key()
    assert "PRIVATE" not in blank.printed
    content = out.read_bytes()
    assert blank.run("terminal", "export", "counter", "--with-key", "--out", str(out), *blank.authority).exit_code == 1
    assert out.read_bytes() == content


def test_a_terminal_that_is_not_there_is_not_exported(blank: Desk) -> None:
    assert blank.run("terminal", "export", "nobody").exit_code == 6


def test_the_names_of_terminals_are_completed(blank: Desk) -> None:
    environment = {"_JUKI_COMPLETE": "zsh_complete", "COMP_WORDS": "juki terminal export co", "COMP_CWORD": "3"}
    assert "counter" in blank.run(**environment).stdout.splitlines()
