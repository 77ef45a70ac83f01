"""`juki card info`, `juki apdu`, `juki reader list`, `juki serve`: harmless looks, raw bytes, readers."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest

from jukicard.card.ports import Interface
from jukicard.commands import cardinfo, serve
from jukicard.commands.session import Session
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import NoReader
from jukicard.iso7816.wrappers import T0Rules
from jukicard.reader.pcsc import ReaderState
from jukicard.reader.spec import PcscSpec
from tests.support.desk import Desk
from tests.support.issued import PASSWORD

SELECT_JUKI = "00A4040C0AD3921000310001010401"
HARMLESS = {0xA4, 0xCA, 0xB0}


class Foreign:
    """A card of another maker: it counts every VERIFY, and answers to names as the real Juki card does."""

    atr = bytes.fromhex("3BE000FF8131FE4514")
    limits = ApduLimits.SHORT

    def __init__(self, everything: bytes) -> None:
        self.everything = everything
        self.commands: list[CommandAPDU] = []

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(CommandAPDU.parse(command))
        return self.everything


@pytest.mark.parametrize(
    "answer",
    ["9000", "6A82", "6D00", "6F00", "63C2", "6283", "4F0490009000", "FFFFFF9000", "61009000", "E0039000"],
)
def test_a_foreign_card_gets_harmless_commands_only(answer: str) -> None:
    card = Foreign(bytes.fromhex(answer))
    facts = cardinfo.public_facts(card)  # type: ignore[arg-type]
    assert facts["juki_application"] is False
    assert {command.ins for command in card.commands} <= HARMLESS
    assert len(card.commands) < 50


def test_info_shows_what_anybody_may_read(active: Desk) -> None:
    before = active.card.read_bytes()
    info = active.facts("card", "info", "--reader", active.reader)
    assert info["atr"] == "3B E0 00 FF 81 31 FE 45 14"
    assert info["protocols"] == ["T=1"]
    assert (info["issuer_number"], info["card_number"]) == ("4A554B49", "0000000000000777")
    assert [(a["aid"], a["label"]) for a in info["applications"]] == [
        ("D3 92 10 00 31 00 01 01 04 01", "Juki"),
        ("F0 4A 55 4B 49 03 99 20 1F 00 01", "Library"),
        ("D3 92 10 00 31 00 01 01 04 02", "Face"),
        ("D3 92 10 00 31 00 01 01 01 00", "Shared"),
    ]
    assert {(key["kid"], key["kvn"]) for key in info["keys"]} == {("01", "01"), ("02", "01"), ("03", "01")}
    assert info["password_tries_left"] == 3
    assert {certificate["serial"] for certificate in info["certificates"]} == {None, "799201000000001"}
    assert "serial" not in info
    assert active.card.read_bytes() == before
    assert "Juki" in active.run("card", "info", "--reader", active.reader).stdout


def test_info_costs_no_try(active: Desk) -> None:
    active.run("auth", "--reader", active.reader, *active.authority, *active.wrong)
    for _ in range(4):
        assert active.facts("card", "info", "--reader", active.reader)["password_tries_left"] == 2
    active.facts("auth", "--reader", active.reader, *active.authority, *active.holder)


def test_with_a_terminal_info_shows_what_that_may_see(active: Desk) -> None:
    info = active.facts("card", "info", "--reader", active.reader, *active.authority)
    assert (info["serial"], info["city_code"], info["face"]) == ("799201000000001", "99201", "A")
    assert (info["expires"], info["status"], info["moved_to"]) == ("2036-11-20", "active", None)
    assert (
        active.run("card", "info", "--reader", active.reader, "--terminal", "nobody", *active.authority).exit_code == 6
    )


def test_info_of_a_contactless_card_has_its_own_atr(active: Desk) -> None:
    info = active.facts("card", "info", "--reader", f"{active.reader}+contactless")
    assert info["atr"].replace(" ", "") == "3B888001000014E0B3819100" + "5E"


def test_info_of_what_is_no_card(active: Desk) -> None:
    assert active.run("card", "info", "--reader", f"emulator:{active.folder}/nothing.juki").exit_code == 3
    (active.folder / "text.juki").write_text("no card", encoding="utf-8")
    assert active.run("card", "info", "--reader", f"emulator:{active.folder}/text.juki").exit_code == 3
    assert active.run("card", "info", "--reader", "nonsense").exit_code == 2


def test_a_damaged_card_file_is_refused_by_name(active: Desk) -> None:
    content = bytearray(active.card.read_bytes())
    content[-2000:-1000] = bytes(1000)
    active.card.write_bytes(content)
    result = active.run("card", "info", "--reader", active.reader)
    assert result.exit_code in (1, 3)
    assert "card.juki" in result.stderr


def test_apdus_go_as_they_are_and_answers_come_in_hex(active: Desk) -> None:
    result = active.run("apdu", "--reader", active.reader, "00 A4 04 00 00", SELECT_JUKI, "00200081", "00B08100")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("6F4F84")
    assert lines[0].endswith("9000")
    assert lines[1:] == ["9000", "63C3", "6982"]
    assert result.exit_code == 0


def test_apdus_from_standard_input_have_comments_and_blank_lines(active: Desk) -> None:
    for arguments in (("-",), ()):
        text = f"# the Juki application\n{SELECT_JUKI}\n\n00200081\n"
        result = active.run("apdu", "--reader", active.reader, *arguments, input=text)
        assert result.stdout.splitlines() == ["9000", "63C3"]


def test_answers_as_json(active: Desk) -> None:
    facts = active.facts("apdu", "--reader", active.reader, SELECT_JUKI, "00200081")
    assert facts == {"responses": [{"data": "", "sw": "9000"}, {"data": "", "sw": "63C3"}]}


def test_a_refusal_is_explained_to_the_host_of_the_emulator(active: Desk) -> None:
    result = active.run("apdu", "--reader", active.reader, "--explain", SELECT_JUKI, "00B081000B", "00200081")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["9000", "6982"]
    assert lines[-1] == "63C3"
    assert any("would do: a terminal with the right identify" in line for line in lines)
    assert result.exit_code == 0


def test_explanations_as_json(active: Desk) -> None:
    facts = active.facts("apdu", "--reader", active.reader, "--explain", SELECT_JUKI, "00B081000B")
    done, refused = facts["responses"]
    assert done["explanation"] is None
    explanation = refused["explanation"]
    assert explanation["command"] == "READ BINARY"
    assert explanation["rule"]["fcp"].startswith("6255")
    assert bytes.fromhex(explanation["rule"]["fcp"])[explanation["rule"]["offset"]] == 0xAF
    needed = [(need["kind"], need["value"]) for need in explanation["rule"]["alternatives"][0]]
    assert needed[:2] == [("right", 0), ("password", 0x81)]


def test_a_card_in_a_reader_explains_nothing_and_is_not_asked(active: Desk) -> None:
    result = active.run("apdu", "--reader", "pcsc:any", "--explain", "00A40400")
    assert result.exit_code == 2
    assert "emulator:PATH" in result.stderr
    assert not result.stdout


def test_decoding_explains_command_status_and_objects(active: Desk) -> None:
    result = active.run("apdu", "--reader", active.reader, "--decode", "00A4040000", "00B0000000")
    assert "SELECT" in result.stdout
    assert "84  DF name  A0 00 00 01 51 00 00 00" in result.stdout
    assert "no current EF" in result.stdout or "6986" in result.stdout


def test_decoding_never_repeats_a_password(active: Desk) -> None:
    secret = PASSWORD.encode().hex()
    text = f"{SELECT_JUKI}\n0020008104{secret}\n8420008104{secret}\n0024018104{secret}\n0020008104{secret}0\n"
    result = active.run("apdu", "--reader", active.reader, "--decode", "-", input=text)
    assert "VERIFY" in result.stdout
    assert "not shown" in result.stdout
    assert secret not in result.output.replace(" ", "").lower()
    assert PASSWORD not in result.output


@pytest.mark.parametrize("text", ["xyz", "00A", ""])
def test_what_is_no_hex_is_a_usage_error_before_anything_is_sent(active: Desk, text: str) -> None:
    result = active.run("apdu", "--reader", active.reader, "00A4040000", text)
    assert result.exit_code == 2
    assert not result.stdout


def test_readers_are_listed_with_their_cards(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    states = (ReaderState("Reader A 00 00", bytes.fromhex("3B00")), ReaderState("Reader B 00 00", None))
    monkeypatch.setattr("jukicard.commands.reader.reader_states", lambda: states)
    assert active.facts("reader", "list") == {
        "readers": [
            {"reader": "pcsc:Reader A 00 00", "name": "Reader A 00 00", "atr": "3B 00"},
            {"reader": "pcsc:Reader B 00 00", "name": "Reader B 00 00", "atr": None},
        ]
    }
    text = active.run("reader", "list").stdout
    assert "pcsc:Reader A 00 00\n  card  3B 00\n" in text
    assert "pcsc:Reader B 00 00\n  empty\n" in text


def test_without_pcsc_it_says_what_is_missing(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise NoReader("the Python package pyscard is not installed")

    monkeypatch.setattr("jukicard.commands.reader.reader_states", missing)
    result = active.run("reader", "list")
    assert result.exit_code == 3
    assert "pyscard is not installed" in result.stderr
    assert active.facts("reader", "list", code=3)["error"]["code"] == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:35964", ("127.0.0.1", 35964)),
        ("host", ("host", 35963)),
        (":40000", ("127.0.0.1", 40000)),
        ("[::1]:40000", ("::1", 40000)),
    ],
)
def test_addresses_of_vpcd(text: str, expected: tuple[str, int]) -> None:
    context = click.Context(serve.serve)
    assert serve.address(context, serve.serve.params[1], text) == expected


@pytest.mark.parametrize("text", ["host:", "host:x", "host:0", "host:65536", "host:-1"])
def test_what_is_no_address_is_a_usage_error(active: Desk, text: str) -> None:
    assert active.run("serve", str(active.card), "--vpcd", text).exit_code == 2


def test_serving_without_vpcd_says_what_is_missing(active: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient(serve.VpcdHost):
        def __init__(self, chip: object, interface: Interface, host: str, port: int) -> None:
            super().__init__(chip, interface, host, port, connect_seconds=0.1)  # type: ignore[arg-type]

    monkeypatch.setattr(serve, "VpcdHost", Impatient)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        result = active.run("serve", str(active.card), "--vpcd", address, "--trace", str(active.folder / "trace"))
    assert result.exit_code == 3
    assert "vpcd" in result.stderr
    assert (active.folder / "trace").stat().st_mode & 0o777 == 0o600


def test_a_card_that_speaks_t0_gets_its_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Reader:
        protocol = 0
        closed = False

        def close(self) -> None:
            self.closed = True

    reader = Reader()
    monkeypatch.setattr("jukicard.reader.pcsc.open_pcsc", lambda name: reader)
    with Session(home_given=tmp_path).card(PcscSpec("")) as connection:
        assert isinstance(connection, T0Rules)
    assert reader.closed
