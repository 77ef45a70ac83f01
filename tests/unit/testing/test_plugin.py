"""The pytest plugin in somebody else's project: a folder of its own, another process, the installed entry point."""

from __future__ import annotations

import json
import os

import pytest

pytest_plugins = ("pytester",)

FIXTURES = """
    import pytest
    from jukicard.iso7816.errors import CardRemoved, HostError
    from jukicard.issuer.errors import IssuerError

    SELECT = bytes.fromhex("00A4040000")

    def test_active(juki_active):
        assert juki_active.authenticate().password_ok

    @pytest.mark.parametrize("kind", ["blank", "undelivered", "blocked", "suspended", "void", "expired"])
    def test_others(kind, request):
        card = request.getfixturevalue(f"juki_{kind}")
        assert card.kind == kind
        with pytest.raises((HostError, IssuerError)):
            card.authenticate()

    def test_forged(juki_forged):
        with pytest.raises(HostError):
            juki_forged.authenticate()

    def test_pulled(juki_card):
        card = juki_card("active", pulled_at=1)
        with pytest.raises(CardRemoved):
            card.transmit(SELECT)
"""


def test_every_fixture_gives_what_it_says(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FIXTURES)
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1 + 6 + 3 + 1)


def test_fixtures_and_options_are_listed(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest_subprocess("--fixtures", "-q").stdout.str()
    for name in ("card", "blank", "undelivered", "active", "blocked", "suspended", "void", "expired", "forged"):
        assert f"juki_{name} " in listed or f"juki_{name}\n" in listed
    assert "no docstring available" not in "".join(line for line in listed.splitlines() if "juki" in line)
    assert "--juki-seed" in pytester.runpytest_subprocess("--help").stdout.str()


def ciphertext(pytester: pytest.Pytester, *options: str) -> str:
    pytester.makepyfile(
        """
        import hashlib, pathlib
        from jukicard.reader.recording import Recorder

        def test_write(juki_active):
            juki_active.inner = recorder = Recorder(juki_active.inner)
            juki_active.authenticate()
            text = "".join(str(step) for step in recorder.dialogue().steps)
            pathlib.Path("digest").write_text(f"{juki_active.today} {hashlib.sha256(text.encode()).hexdigest()}")
        """
    )
    pytester.runpytest_subprocess("-q", *options).assert_outcomes(passed=1)
    return (pytester.path / "digest").read_text()


def test_seed_and_day_are_chosen_by_options_or_in_the_ini_file(pytester: pytest.Pytester) -> None:
    plain = ciphertext(pytester)
    assert ciphertext(pytester) == plain
    seeded = ciphertext(pytester, "--juki-seed", "other")
    assert seeded != plain
    pytester.makeini("[pytest]\njuki_seed = other")
    assert ciphertext(pytester) == seeded
    assert ciphertext(pytester, "--juki-today", "2030-04-01").startswith("2030-04-01 ")


def test_a_day_that_is_none_is_said_to_be_none(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(juki_active): pass")
    result = pytester.runpytest_subprocess("--juki-today", "tomorrow")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*juki_today: 'tomorrow' is no date*"])


def test_reports_of_failures_do_not_show_secrets(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import json, pathlib

        def test_fails(juki_active):
            password, record = juki_active.password, juki_active.record
            hidden = (password, juki_active.authority_password, record.resident_code)
            secrets = [*(secret.reveal() for secret in hidden), record.name]
            pathlib.Path("secrets.json").write_text(json.dumps(secrets))
            del secrets
            assert juki_active.password == juki_active.wrong_password, juki_active
        """
    )
    result = pytester.runpytest_subprocess("-q", "-l", "--tb=long", "-vv")
    result.assert_outcomes(failed=1)
    for secret in json.loads((pytester.path / "secrets.json").read_text()):
        assert secret not in result.stdout.str()


def test_the_plugin_costs_nothing_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_imports():
            loaded = {name for name in sys.modules if name.startswith("jukicard")}
            assert loaded <= {"jukicard", "jukicard.testing", "jukicard.testing.plugin"}
            assert "cryptography" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_a_missing_pcscd_is_an_error_that_names_the_package(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        from pathlib import Path
        import jukicard.testing.pcscd as pcscd

        @pytest.fixture(scope="session", autouse=True)
        def nothing_installed():
            pcscd.DRIVER_FOLDERS = (Path("nowhere"),)
        """
    )
    pytester.makepyfile("def test_it(juki_active, juki_inserted): juki_inserted(juki_active)")
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*apt-get install*"])


def test_a_card_in_a_real_pcscd(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PCSCLITE_CSOCK_NAME", raising=False)
    pytester.makepyfile(
        """
        from contextlib import closing
        import pytest
        from jukicard.iso7816.errors import CardRemoved
        from jukicard.reader.pcsc import open_pcsc
        from jukicard.testing.inserted import wait_until

        SELECT = bytes.fromhex("00A4040000")

        def test_there(juki_active, juki_inserted):
            reader = juki_inserted(juki_active).reader_name
            with closing(open_pcsc(reader)) as connection:
                assert connection.transmit(SELECT)[-2:] == b"\\x90\\x00"

        def test_pulled(juki_active, juki_inserted):
            card = juki_inserted(juki_active, pulled_at=2, delay=0.01)
            with closing(open_pcsc(card.reader_name)) as connection:
                assert connection.transmit(SELECT)[-2:] == b"\\x90\\x00"
                with pytest.raises(CardRemoved):
                    connection.transmit(SELECT)
            wait_until(lambda: card.failure is not None, "the card to be out")
            card.insert()
            with closing(open_pcsc(card.reader_name)) as connection:
                assert connection.transmit(SELECT)[-2:] == b"\\x90\\x00"
        """
    )
    assert os.environ.get("PCSCLITE_CSOCK_NAME") is None
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)
