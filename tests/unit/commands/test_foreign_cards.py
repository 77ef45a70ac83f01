"""`card info` and `reader check` on cards of other makers: reads only, no tries, what is known, and always an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jukicard.commands.recognition import MAX_COMMANDS
from jukicard.iso7816.connection import ApduLimits
from jukicard.iso7816.errors import CardRemoved, NoCard, ReaderBusy, TransportError
from jukicard.testing.readers import T0Reader
from tests.support import foreign_cards as foreign
from tests.support.desk import Desk
from tests.support.foreign_cards import ForeignCard

Insert = Callable[[object], None]


@pytest.fixture
def insert(monkeypatch: pytest.MonkeyPatch) -> Insert:
    """Put a card into the only PC/SC reader."""

    def put(card: object) -> None:
        monkeypatch.setattr("jukicard.reader.pcsc.open_pcsc", lambda name: card)

    return put


def info(desk: Desk, code: int = 0) -> dict[str, Any]:
    return desk.facts("card", "info", "--reader", "pcsc:", code=code)


def check(desk: Desk, code: int = 0) -> dict[str, Any]:
    return desk.facts("reader", "check", "pcsc:", code=code)


def test_a_globalplatform_card(blank: Desk, insert: Insert) -> None:
    card = foreign.globalplatform()
    insert(card)
    facts = info(blank)
    assert (facts["kind"], facts["kind_in_words"]) == ("globalplatform", "GlobalPlatform card")
    assert facts["globalplatform"] == "2.2.1, SCP02 i=55"
    assert facts["production"] == "4790" * 21
    assert {key["kvn"] for key in facts["keys"]} == {"FF"}
    assert (facts["known_applications"], facts["jpki_token"]) == ([], None)
    assert (facts["juki_application"], facts["password_tries_left"], facts["certificates"]) == (False, None, [])
    assert card.costly == []
    assert card.closed
    assert "GlobalPlatform card" in blank.run("card", "info", "--reader", "pcsc:").stdout


def test_a_my_number_card(blank: Desk, insert: Insert) -> None:
    card = foreign.my_number()
    insert(card)
    facts = info(blank)
    assert facts["kind"] == "jpki"
    assert facts["kind_in_words"] == "JPKI card (My Number or Juki family)"
    assert facts["jpki_token"] == "JPKIAPICCTOKEN2"
    assert facts["known_applications"] == [
        "Juki (住基AP)",
        "face verification (券面事項確認AP)",
        "face data entry (券面事項入力補助AP)",
        "shared (共通カードAP)",
        "JPKI (公的個人認証AP)",
    ]
    assert (facts["issuer_domain"], facts["issuer_number"]) == (True, "00" * 16)
    assert facts["juki_application"] is False
    assert card.costly == []
    selected = [command.data.hex() for command in card.commands if command.ins == 0xA4 and command.p1 == 0x02]
    assert selected == ["0006"], "password files of the JPKI application are not even selected"


def test_a_juki_card_of_the_real_family_is_not_taken_for_ours(blank: Desk, insert: Insert) -> None:
    card = foreign.old_juki()
    insert(card)
    facts = info(blank)
    assert (facts["kind"], facts["jpki_token"]) == ("jpki", "JPKIAPICCTOKEN")
    assert (facts["issuer_domain"], facts["juki_application"]) == (False, False)
    assert card.costly == []


def test_an_openpgp_card(blank: Desk, insert: Insert) -> None:
    card = foreign.openpgp()
    insert(card)
    facts = info(blank)
    assert (facts["kind"], facts["known_applications"]) == ("unknown", ["OpenPGP"])
    assert card.costly == []


def test_our_own_card_is_known_as_such(active: Desk) -> None:
    facts = active.facts("card", "info", "--reader", active.reader)
    assert (facts["kind"], facts["kind_in_words"]) == ("jukicard", "Juki card of this project")
    assert facts["globalplatform"].startswith("2.3.1")
    assert "Juki (住基AP)" in facts["known_applications"]


def test_a_blank_chip_of_ours_is_a_globalplatform_card(blank: Desk) -> None:
    facts = blank.facts("card", "info", "--reader", blank.reader)
    assert (facts["kind"], facts["kind_in_words"]) == ("globalplatform", "GlobalPlatform card (a chip of this project)")


def test_a_card_that_speaks_t0_only(blank: Desk, insert: Insert) -> None:
    card = foreign.globalplatform(protocol=0)
    reader = T0Reader(card)
    reader.protocol = 0  # type: ignore[attr-defined]
    insert(reader)
    facts = info(blank)
    assert (facts["kind"], facts["globalplatform"]) == ("globalplatform", "2.2.1, SCP02 i=55")
    assert facts["protocols"] == ["T=0"]
    checked = check(blank)
    assert (checked["protocol"], checked["extended"], checked["longest_challenge"]) == ("T=0", False, 256)
    assert card.costly == []


@pytest.mark.parametrize("answer", foreign.BABBLERS.values(), ids=foreign.BABBLERS)
@pytest.mark.parametrize("command", [("card", "info", "--reader", "pcsc:"), ("reader", "check", "pcsc:")], ids=" ".join)
def test_a_card_that_says_the_same_to_everything(
    blank: Desk, insert: Insert, command: tuple[str, ...], answer: str
) -> None:
    card = foreign.always(answer)
    insert(card)
    result = blank.run(*command, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts.get("kind", "unknown") == "unknown"
    assert facts["atr"] == "3B 00"
    assert card.costly == []
    assert len(card.commands) <= MAX_COMMANDS


def test_a_card_that_accepts_every_name_is_unknown_and_said_so(blank: Desk, insert: Insert) -> None:
    insert(foreign.always("9000"))
    facts = info(blank)
    assert facts["kind_in_words"] == "unknown (accepts every name)"
    assert facts["known_applications"] == []


@pytest.mark.parametrize("error", [None, ReaderBusy("another program holds the card")])
@pytest.mark.parametrize("command", [("card", "info", "--reader", "pcsc:"), ("reader", "check", "pcsc:")], ids=" ".join)
def test_a_card_without_an_answer_still_shows_its_atr(
    blank: Desk, insert: Insert, command: tuple[str, ...], error: ReaderBusy | None
) -> None:
    card = foreign.silent(error)
    insert(card)
    facts = blank.facts(*command, code=3)
    assert facts["atr"] == "3B 00"
    assert facts["error"]["code"] == 3
    result = blank.run(*command)
    assert result.exit_code == 3
    assert "3B 00" in result.stdout
    assert "Error" in result.stderr
    assert card.closed


@pytest.mark.parametrize("commands", range(0, 30, 3))
def test_a_card_that_leaves_in_the_middle(blank: Desk, insert: Insert, commands: int) -> None:
    for command in (("card", "info", "--reader", "pcsc:"), ("reader", "check", "pcsc:")):
        card = foreign.leaving_after(foreign.my_number(), commands)
        insert(card)
        result = blank.run(*command, "--json")
        left = len(card.commands) > commands
        assert result.exit_code == (3 if left else 0), result.output
        assert card.costly == []
        assert card.closed


def test_a_check_up(blank: Desk, insert: Insert) -> None:
    card = foreign.my_number()
    insert(card)
    facts = check(blank)
    assert facts["reader"] == "pcsc:"
    assert (facts["protocols"], facts["protocol"]) == (["T=1"], "T=1")
    assert (facts["fi"], facts["di"], facts["ifsc"], facts["atr_fault"]) == (372, 1, 254, None)
    assert (facts["issuer_domain"], facts["select"]) == (True, "9000")
    assert (facts["extended"], facts["longest_challenge"]) == (True, 4096)
    assert facts["transaction"] is facts["reset"] is facts["same_atr_after_reset"] is True
    assert 0 <= facts["median_us"] <= facts["slowest_us"]
    assert card.costly == []
    assert card.resets == 1
    assert sum(command.ins == 0xA4 for command in card.commands) == 22, "two names, and twenty times the first"
    text = blank.run("reader", "check", "pcsc:").stdout
    assert "extended" in text
    assert "median us" in text


def test_a_card_that_takes_short_commands_only_is_found_out(blank: Desk, insert: Insert) -> None:
    insert(foreign.globalplatform())
    facts = check(blank)
    assert (facts["extended"], facts["longest_challenge"]) == (False, 256)


def test_without_challenges_the_card_data_tell(blank: Desk, insert: Insert) -> None:
    for extended in (True, False):
        card = foreign.globalplatform()
        card.respond.extended, card.respond.challenges = extended, False  # type: ignore[attr-defined]
        insert(card)
        facts = check(blank)
        assert (facts["extended"], facts["longest_challenge"]) == (extended, None)
    insert(ForeignCard("3B00"))
    assert check(blank)["extended"] is None


def test_a_reader_for_short_commands_only(blank: Desk, insert: Insert) -> None:
    card = foreign.my_number()
    card.limits = ApduLimits.SHORT
    insert(card)
    facts = check(blank)
    assert (facts["longest_command"], facts["longest_response"]) == (261, 256)


@pytest.mark.parametrize(
    ("error", "code"), [(TransportError("insufficient buffer"), 0), (CardRemoved("the card was removed"), 3)]
)
def test_a_reader_that_fails_at_extended_length(blank: Desk, insert: Insert, error: TransportError, code: int) -> None:
    card = foreign.failing_at_extended(foreign.my_number(), error)
    insert(card)
    facts = check(blank, code)
    assert facts["reset"] is facts["transaction"] is True
    assert facts["median_us"] >= 0
    if code:
        assert "extended length" in facts["error"]["message"]
    else:
        assert (facts["extended"], facts["longest_challenge"]) == (False, 256)


def test_an_atr_that_is_none_is_said_so(blank: Desk, insert: Insert) -> None:
    insert(ForeignCard("3BFF00"))
    facts = check(blank)
    assert facts["protocols"] == []
    assert facts["atr_fault"]


def test_a_check_up_of_our_own_card(active: Desk) -> None:
    facts = active.facts("reader", "check", active.reader)
    assert (facts["extended"], facts["longest_challenge"], facts["issuer_domain"]) == (True, 256, True)
    facts = active.facts("card", "info", "--reader", active.reader)
    assert facts["password_tries_left"] == 3


def test_the_reader_to_check_may_come_from_the_environment(active: Desk) -> None:
    result = active.run("reader", "check", "--json", JUKI_READER=active.reader)
    assert json.loads(result.stdout)["reader"] == active.reader


def test_without_a_card_it_is_exit_code_3(blank: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(name: str) -> object:
        raise NoCard("the reader is empty")

    monkeypatch.setattr("jukicard.reader.pcsc.open_pcsc", empty)
    result = blank.run("reader", "check")
    assert (result.exit_code, result.stdout) == (3, "")
    assert blank.facts("reader", "check", code=3)["error"]["code"] == 3
    assert blank.run("reader", "check", "nonsense").exit_code == 2
