"""Wrong and blocked passwords through OpenSC and GnuTLS: one try each, of that password, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.applets.jpki.layout import CREDENTIALS, Profile, Usage
from tests.support.jpkicards import BOTH_KEYS, TOKEN_LABELS, HeldCard, after_wrong_passwords, opensc_module
from tests.support.jpkichips import WRONG_PASSWORDS
from tests.support.jpkiclients import pkcs11_sign, pkcs11_tool, token
from tests.support.pcscd import find_tool

Hold = Callable[[Profile], HeldCard]
every_key = pytest.mark.parametrize(
    ("profile", "usage"), BOTH_KEYS, ids=[f"{profile.name.lower()}-{usage}" for profile, usage in BOTH_KEYS]
)
LENGTHS = {Usage.SIGNATURE: ("ABC12", "ABCDEFGH123456789"), Usage.AUTHENTICATION: ("123", "12345")}


@every_key
def test_wrong_until_it_is_blocked_and_then_the_right_one(hold: Hold, profile: Profile, usage: Usage) -> None:
    card = hold(profile)
    other = next(one for one in Usage if one is not usage)
    wrong = WRONG_PASSWORDS[usage].decode()
    for used in range(1, CREDENTIALS[usage].tries + 1):
        said, signature = pkcs11_sign(card, usage, False, wrong)
        assert "CKR_PIN_INCORRECT" in said
        assert card.store.snapshot() == after_wrong_passwords(profile, usage, used)
    assert card.tries == {usage: 0, other: CREDENTIALS[other].tries}
    said, signature = pkcs11_sign(card, usage, False)  # with the right password
    assert "C_Login failed" in said
    assert not signature.exists()
    assert card.store.snapshot() == after_wrong_passwords(profile, usage, CREDENTIALS[usage].tries)
    assert "user PIN locked" in pkcs11_tool(card, "-L")
    assert "Tries left     : 0" in card.run(find_tool("pkcs15-tool", "opensc"), "-D")


@every_key
def test_a_right_password_gives_the_tries_back(hold: Hold, profile: Profile, usage: Usage) -> None:
    card = hold(profile)
    pkcs11_sign(card, usage, False, WRONG_PASSWORDS[usage].decode())
    assert not card.unharmed
    pkcs11_sign(card, usage)
    assert card.unharmed


@pytest.mark.parametrize("blocked", list(Usage))
def test_the_other_key_still_signs(hold: Hold, blocked: Usage) -> None:
    card = hold(Profile.MYNUMBER)
    for _ in range(CREDENTIALS[blocked].tries):
        pkcs11_sign(card, blocked, False, WRONG_PASSWORDS[blocked].decode())
    other = next(one for one in Usage if one is not blocked)
    pkcs11_sign(card, other)
    assert card.store.snapshot() == after_wrong_passwords(Profile.MYNUMBER, blocked, CREDENTIALS[blocked].tries)


@every_key
def test_p11tool_with_a_wrong_password(hold: Hold, profile: Profile, usage: Usage) -> None:
    """GnuTLS asks whoever it can until it is stopped: here nobody answers a second time."""
    card = hold(profile)
    words = (
        "--provider",
        opensc_module(),
        "--login",
        "--list-all",
        f"pkcs11:token={TOKEN_LABELS[usage].replace(' ', '%20')}",
    )
    card.run(find_tool("p11tool", "gnutls-bin"), *words, succeeds=None, GNUTLS_PIN=WRONG_PASSWORDS[usage].decode())
    spent = CREDENTIALS[usage].tries - card.tries[usage]
    assert spent == 1
    assert card.store.snapshot() == after_wrong_passwords(profile, usage, 1)


@every_key
def test_a_password_of_another_length_never_reaches_the_card(hold: Hold, profile: Profile, usage: Usage) -> None:
    card = hold(profile)
    for password in LENGTHS[usage]:
        assert "CKR_PIN_LEN_RANGE" in pkcs11_tool(card, "-O", *token(usage), succeeds=False, password=password)
    assert all(len(command) == 4 for command in card.commands if command[1] == 0x20)
    assert card.unharmed


@every_key
def test_without_a_password_there_is_no_signature(hold: Hold, profile: Profile, usage: Usage) -> None:
    card = hold(profile)
    words = "--sign", "--mechanism", "SHA256-RSA-PKCS", "--token-label", TOKEN_LABELS[usage]
    pkcs11_tool(card, *words, succeeds=False)
    assert not any(command[:2] == b"\x80\x2a" for command in card.commands)
    assert card.unharmed


def test_the_certificate_with_the_holders_name_needs_its_password(hold: Hold) -> None:
    for profile in Profile:
        card = hold(profile)
        tool = find_tool("pkcs15-tool", "opensc")
        assert "CERTIFICATE" not in card.run(tool, "--read-certificate", "02", succeeds=False)
        assert "CERTIFICATE" in card.run(tool, "--read-certificate", "04")
        assert card.unharmed


def test_a_juki_card_has_no_password_to_log_in_with(hold: Hold) -> None:
    """OpenSC takes its key for one that is there.  No attempt to use it costs anything."""
    card = hold(Profile.JUKI)
    said, signature = pkcs11_sign(card, Usage.AUTHENTICATION, False)
    assert "C_Login failed" in said
    assert not signature.exists()
    assert card.unharmed
