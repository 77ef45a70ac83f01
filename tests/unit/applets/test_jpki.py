"""The JPKI application: passwords with its own idea of answers, keys that work after their own password only, two
profiles.  Commands and answers as published by those who speak to real cards (docs/jpki.md).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from jukicard.applets.jpki import layout
from jukicard.applets.jpki.layout import CREDENTIALS, Form, Profile, Usage
from jukicard.applets.jpki.records import TokenInfo
from jukicard.iso7816.errors import CardStatusError, MalformedResponse, PasswordBlocked, PasswordWrong
from jukicard.iso7816.tlv import Tlv
from jukicard.testing.rsakeys import pool
from tests.support import chips, jpkichips
from tests.support.chips import Chip, say
from tests.support.jpkichips import CERTIFICATES, LOGIN, PASSWORDS, SIGN, WRONG_PASSWORDS, verified

MESSAGE = b"message"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(MESSAGE).digest()
"""RFC 8017, 9.2, note 1."""


def chip_with(cells: Callable[[], dict[str, bytes]] = jpkichips.active) -> Chip:
    chip = Chip(cells(), "jpki test")
    jpkichips.client(chip)
    return chip


def select(chip: Chip, fid: int, sw: int = 0x9000) -> None:
    assert not say(chip, 0x00, 0xA4, 0x02, 0x0C, fid.to_bytes(2), sw=sw).data


def public_key(usage: Usage, profile: Profile = Profile.MYNUMBER) -> rsa.RSAPublicKey:
    return pool()[layout.PROFILES[profile].index(usage)].public_key()


def recovered(signature: bytes, key: rsa.RSAPublicKey) -> bytes:
    """What the private key was applied to, by the definition of RSA (RFC 8017, 5.2.2)."""
    numbers = key.public_numbers()
    return pow(int.from_bytes(signature), numbers.e, numbers.n).to_bytes(256)


def padded(content: bytes) -> bytes:
    """EMSA-PKCS1-v1_5's padding (RFC 8017, 9.2)."""
    return b"\0\1" + b"\xff" * (253 - len(content)) + b"\0" + content


# --- selection


def test_selection_answers_nothing() -> None:
    chip = Chip(jpkichips.active(), 1)
    answer = chip.ask("00 A4 04 0C 0A D392F000260100000001")
    assert (answer.sw, answer.data) == (0x9000, b"")


@pytest.mark.parametrize("profile", Profile)
def test_the_files_of_a_profile(profile: Profile) -> None:
    chip = chip_with(lambda: jpkichips.active(profile))
    there = {0x01, 0x02, 0x06, 0x08, 0x0A, 0x0B, 0x18, 0x1A, 0x1B} | ({0x17} if profile is Profile.MYNUMBER else set())
    for fid in range(0x20):
        select(chip, fid, 0x9000 if fid in there else 0x6A82)
    select(chip, 0x3F00, 0x6A82)


# --- passwords


@pytest.mark.parametrize("usage", Usage)
def test_an_empty_verify_always_tells_the_tries(usage: Usage) -> None:
    chip, credential = chip_with(), CREDENTIALS[usage]
    select(chip, credential.password)
    assert chip.ask("00 20 00 80").sw == 0x63C0 | credential.tries
    say(chip, 0x00, 0x20, 0x00, 0x80, PASSWORDS[usage], sw=0x9000)
    assert chip.ask("00 20 00 80").sw == 0x63C0 | credential.tries
    for left in reversed(range(credential.tries)):
        say(chip, 0x00, 0x20, 0x00, 0x80, WRONG_PASSWORDS[usage], sw=0x63C0 | left)
        assert chip.ask("00 20 00 80").sw == 0x63C0 | left
    for password in (WRONG_PASSWORDS, PASSWORDS):
        say(chip, 0x00, 0x20, 0x00, 0x80, password[usage], sw=0x6984)
    assert chip.ask("00 20 00 80").sw == 0x63C0
    (other,) = set(Usage) - {usage}
    assert jpkichips.tries(chip.cells) == {usage: 0, other: CREDENTIALS[other].tries}


def test_a_right_password_gives_the_tries_back_and_a_wrong_one_logs_out() -> None:
    chip = chip_with(jpkichips.the_last_try)
    select(chip, 0x1B)
    say(chip, 0x00, 0x20, 0x00, 0x80, PASSWORDS[SIGN], sw=0x9000)
    assert chip.ask("00 20 00 80").sw == 0x63C5
    select(chip, 0x1A)
    say(chip, 0x80, 0x2A, 0, 0x80, MESSAGE, 256, sw=0x9000)
    select(chip, 0x1B)
    say(chip, 0x00, 0x20, 0x00, 0x80, WRONG_PASSWORDS[SIGN], sw=0x63C4)
    select(chip, 0x1A)
    say(chip, 0x80, 0x2A, 0, 0x80, MESSAGE, 256, sw=0x6982)


def test_the_password_that_a_juki_card_has_no_key_for_is_there_and_opens_nothing() -> None:
    chip = chip_with(jpkichips.like_a_juki_card)
    select(chip, 0x18)
    assert chip.ask("00 20 00 80").sw == 0x63C3
    say(chip, 0x00, 0x20, 0x00, 0x80, b"1234", sw=0x6984)
    assert chip.ask("00 20 00 80").sw == 0x63C3


@pytest.mark.parametrize("fid", [0x01, 0x06, 0x1A, None])
def test_verify_takes_a_password_only(fid: int | None) -> None:
    chip = chip_with()
    if fid is not None:
        select(chip, fid)
    expected = {None: 0x6986, 0x1A: 0x6A88}.get(fid, 0x6981)
    assert chip.ask("00 20 00 80").sw == expected
    say(chip, 0x00, 0x20, 0x00, 0x80, PASSWORDS[SIGN], sw=expected)


def test_a_password_of_another_length_costs_no_try() -> None:
    chip = chip_with()
    for password in (b"ABC12", b"ABC1234567890ABCD"):
        say(chip, 0x00, 0x20, 0x00, 0x9B, password, sw=0x6A80)
    assert jpkichips.tries(chip.cells)[SIGN] == 5


@pytest.mark.parametrize(
    ("header", "size", "sw"),
    [
        ("00 20 00 9B", 64, 0x6A80),
        ("00 20 00 9B", 65, 0x6700),
        ("00 24 01 9B", 0, 0x6700),
        ("00 24 01 9B", 1, 0x6A80),
        ("00 24 01 9B", 64, 0x6A80),
        ("00 24 01 9B", 65, 0x6700),
        ("00 20 00 7F", 6, 0x6A86),
        ("00 20 00 9E", 6, 0x6A88),
        ("00 20 00 9F", 6, 0x6A86),
        ("00 24 00 9B", 12, 0x6A86),
        ("00 24 01 9E", 6, 0x6A88),
        ("00 24 01 9F", 6, 0x6A86),
        ("80 2A 00 9E", 6, 0x6A88),
        ("80 2A 00 9F", 6, 0x6A86),
        ("80 2A 00 01", 6, 0x6A86),
    ],
)
def test_what_the_rows_of_internal_files_take(header: str, size: int, sw: int) -> None:
    chip = Chip(jpkichips.active(), 1)
    verified(chip)
    cla, ins, p1, p2 = bytes.fromhex(header)
    say(chip, cla, ins, p1, p2, b"A" * size, sw=sw)


def test_while_it_is_personalised_a_password_is_queried_and_not_tried() -> None:
    chip = chip_with(jpkichips.written)
    assert chip.ask("00 20 00 9B").sw == 0x63C5
    say(chip, 0x00, 0x20, 0x00, 0x9B, PASSWORDS[SIGN], sw=0x6982)
    say(jpkichips.session(chip), 0x00, 0x20, 0x00, 0x9B, PASSWORDS[SIGN], sw=0x6982)


def test_a_password_in_the_clear_beside_a_session_opens_nothing() -> None:
    chip = Chip(jpkichips.active(), 1)
    session = jpkichips.session(chip)
    say(chip, 0x00, 0x20, 0x00, 0x9B, PASSWORDS[SIGN], sw=0x9000)
    for host in (chip, session):
        say(host, 0x80, 0x2A, 0, 0x9A, DIGEST_INFO, 256, sw=0x6982)
    say(session, 0x00, 0x20, 0x00, 0x9B, PASSWORDS[SIGN], sw=0x9000)
    say(chip, 0x80, 0x2A, 0, 0x9A, DIGEST_INFO, 256, sw=0x6982)
    say(session, 0x80, 0x2A, 0, 0x9A, DIGEST_INFO, 256, sw=0x9000)


def test_the_holder_changes_a_password() -> None:
    chip = chip_with()
    select(chip, 0x1B)
    say(chip, 0x00, 0x24, 0x01, 0x80, b"NEW456", sw=0x6982)
    opened = verified(chip)
    for wrong in (b"abc123", b"ABC12", b"A" * 17, b"ABC12-"):
        with pytest.raises(CardStatusError) as refused:
            opened.change_password(SIGN, wrong)
        assert refused.value.sw == 0x6A80
    opened.change_password(SIGN, b"NEW456")
    with pytest.raises(CardStatusError):
        opened.sign(SIGN, DIGEST_INFO)
    with pytest.raises(PasswordWrong):
        opened.verify(SIGN, PASSWORDS[SIGN])
    opened.verify(SIGN, b"NEW456")
    with pytest.raises(CardStatusError):  # it takes its own password
        opened.change_password(LOGIN, b"9876")


def test_the_office_gives_the_tries_back() -> None:
    chip = Chip(jpkichips.blocked(), 1)
    say(chip_with(jpkichips.blocked), 0x00, 0x2C, 0x02, 0x9B, b"NEW456", sw=0x6982)
    jpkichips.personalising(chip).reset_password(SIGN, b"NEW456")
    jpkichips.client(chip).verify(SIGN, b"NEW456")


# --- who is in, and until when


@pytest.mark.parametrize("usage", Usage)
def test_a_key_works_after_its_own_password_only(usage: Usage) -> None:
    (other,) = set(Usage) - {usage}
    opened = verified(Chip(jpkichips.active(), 1), other)
    with pytest.raises(CardStatusError) as refused:
        opened.sign(usage, DIGEST_INFO)
    assert refused.value.sw == 0x6982
    opened.verify(usage, PASSWORDS[usage])
    assert opened.sign(usage, DIGEST_INFO)
    assert opened.sign(other, DIGEST_INFO)


@pytest.mark.parametrize("how", ["same application", "other application", "reset", "partial name"])
def test_a_selection_or_a_reset_logs_out(how: str) -> None:
    chip = Chip(jpkichips.active(), 1)
    opened = verified(chip)
    match how:
        case "same application":
            opened.select()
        case "other application":
            chip.select(chips.ISSUER)
            opened.select()
        case "partial name":
            assert chip.ask("00 A4 04 0C 05 D392F00026").sw == 0x9000
        case _:
            chip.reset()
            opened.select()
    with pytest.raises(CardStatusError):
        opened.sign(SIGN, DIGEST_INFO)


def test_what_else_is_asked_leaves_it_logged_in() -> None:
    chip = Chip(jpkichips.active(), 1)
    opened = verified(chip)
    select(chip, 0x06)
    select(chip, 0x17)
    assert chip.ask("00 A4 04 0C 06 A00000011600").sw == 0x6A82
    assert chip.ask("00 84 00 00 00").sw == 0x9000
    assert opened.certificate(SIGN) == CERTIFICATES[SIGN][0]
    assert opened.sign(SIGN, DIGEST_INFO)


def test_another_channel_knows_nothing_of_it() -> None:
    chip = Chip(jpkichips.active(), 1)
    verified(chip)
    chip.open_channel(1)
    assert chip.select(jpkichips.JPKI, 1).sw == 0x6985
    assert say(chip, 0x80, 0x2A, 0, 0x9A, DIGEST_INFO, 256).sw == 0x9000  # here it goes on


# --- signatures


@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("p2", ["current", "sfi", "default"])
def test_which_key_signs(usage: Usage, p2: str) -> None:
    chip = Chip(jpkichips.active(), 1)
    opened = verified(chip, SIGN)
    opened.verify(LOGIN, PASSWORDS[LOGIN])
    select(chip, CREDENTIALS[usage].key)
    number = {"current": 0x80, "sfi": CREDENTIALS[usage].key_reference, "default": 0}[p2]
    signature = say(chip, 0x80, 0x2A, 0x00, number, DIGEST_INFO, 256, sw=0x9000).data
    signer = SIGN if p2 == "default" else usage
    public_key(signer).verify(signature, MESSAGE, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    ("form", "data", "content"),
    [
        (Form.VERBATIM, DIGEST_INFO, DIGEST_INFO),
        (Form.VERBATIM, b"\0" * 245, b"\0" * 245),
        (Form.VERBATIM, b"x", b"x"),
        (Form.BARE_HASH, MESSAGE, sha256(MESSAGE).digest()),
        (Form.PREHASHED, sha256(MESSAGE).digest(), DIGEST_INFO),
        (Form.HASHED, MESSAGE, DIGEST_INFO),
    ],
)
def test_what_is_signed_in_pkcs_1_v1_5(form: Form, data: bytes, content: bytes) -> None:
    signature = verified(Chip(jpkichips.active(), 1)).sign(SIGN, data, form)
    assert recovered(signature, public_key(SIGN)) == padded(content)


@pytest.mark.parametrize(("form", "data"), [(Form.PSS_PREHASHED, sha256(MESSAGE).digest()), (Form.PSS, MESSAGE)])
def test_what_is_signed_in_pss(form: Form, data: bytes) -> None:
    signature = verified(Chip(jpkichips.active(), 1)).sign(SIGN, data, form)
    public_key(SIGN).verify(signature, MESSAGE, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


def test_a_long_message_is_hashed_on_the_card() -> None:
    message = bytes(range(256)) * 200
    signature = verified(Chip(jpkichips.active(), 1)).sign(SIGN, message, Form.HASHED)
    public_key(SIGN).verify(signature, message, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    ("p1", "size", "sw"),
    [(0, 0, 0x6700), (0, 246, 0x6700), (2, 31, 0x6700), (2, 33, 0x6700), (4, 20, 0x6700), (6, 32, 0x6A86)],
)
def test_what_is_not_signed(p1: int, size: int, sw: int) -> None:
    chip = Chip(jpkichips.active(), 1)
    verified(chip)
    say(chip, 0x80, 0x2A, p1, 0x9A, bytes(size), 256, sw=sw)


def test_a_password_or_a_certificate_does_not_sign() -> None:
    chip = Chip(jpkichips.active(), 1)
    verified(chip)
    for fid, sw in ((0x1B, 0x6A88), (0x01, 0x6981)):
        select(chip, fid)
        say(chip, 0x80, 0x2A, 0, 0x80, DIGEST_INFO, 256, sw=sw)


# --- reading


def test_a_real_ones_way_to_read() -> None:
    chip = chip_with()
    select(chip, 0x06)
    token = chip.ask("00 B0 00 00 00")
    assert (token.sw, len(token.data)) == (0x9000, 160)
    short = chip.ask("00 B0 00 90 FF")
    assert (short.sw, short.data) == (0x9000, b"9" * 16)
    assert chip.ask("00 B0 00 A1 01").sw == 0x6B00
    assert chip.ask("00 B0 88 00 03").data == b"\x8f\x8f\x00"
    select(chip, 0x17)
    assert chip.ask("00 B0 00 00 00").sw == 0x6981


@pytest.mark.parametrize("profile", Profile)
def test_what_a_client_reads(profile: Profile) -> None:
    opened = verified(Chip(jpkichips.active(profile), 1))
    assert opened.token_info() == TokenInfo.of(profile, jpkichips.SERIAL)
    assert opened.usages() == set(layout.PROFILES[profile])
    assert (opened.certificate(SIGN), opened.ca_certificate(SIGN)) == CERTIFICATES[SIGN]
    there = CERTIFICATES[LOGIN] if profile is Profile.MYNUMBER else (CERTIFICATES[SIGN][1],) * 2
    assert (opened.certificate(LOGIN), opened.ca_certificate(LOGIN)) == there
    assert opened.tries(LOGIN) == 3


def test_the_signature_certificate_is_private() -> None:
    opened = verified(Chip(jpkichips.active(), 1), LOGIN)
    with pytest.raises(CardStatusError) as refused:
        opened.certificate(SIGN)
    assert refused.value.sw == 0x6982


def test_a_client_tells_a_blocked_password() -> None:
    opened = jpkichips.client(Chip(jpkichips.blocked(), 1))
    assert opened.tries(SIGN) == 0
    with pytest.raises(PasswordBlocked):
        opened.verify(SIGN, PASSWORDS[SIGN])


def test_an_empty_file_is_no_certificate() -> None:
    opened = jpkichips.personalising(Chip(jpkichips.installed(), 1))
    with pytest.raises(MalformedResponse, match="there is no certificate"):
        opened.certificate(SIGN)


# --- personalisation


def test_the_owner_has_a_request_signed_before_there_is_a_password() -> None:
    chip = Chip(jpkichips.written(), 1)
    signature = jpkichips.personalising(chip).sign_as_owner(SIGN, MESSAGE)
    public_key(SIGN).verify(signature, MESSAGE, padding.PKCS1v15(), SHA256())
    say(chip_with(jpkichips.written), 0x80, 0x2A, 0x03, 0x9A, MESSAGE, 256, sw=0x6982)
    with pytest.raises(CardStatusError):
        jpkichips.personalising(Chip(jpkichips.active(), 1)).sign_as_owner(SIGN, MESSAGE)


def test_a_closed_application_is_not_written_again() -> None:
    chip = Chip(jpkichips.active(), 1)
    session = jpkichips.session(chip)
    before = chip.cells
    for sfi in (0x81, 0x82, 0x86, 0x88, 0x8A, 0x8B):
        say(session, 0x00, 0xD6, sfi, 0, b"x", sw=0x6982)
    for p1 in (0x80, 0x81):
        say(session, 0x00, 0x47, p1, 0, jpkichips.SIGN_NAME, 512, sw=0x6982)
    say(session, 0x00, 0x24, 0x01, 0x9B, b"NEW456", sw=0x6982)
    say(session, 0x00, 0x44, sw=0x6982)
    assert chip.cells == before


def test_a_key_is_generated_once() -> None:
    session = jpkichips.session(Chip(jpkichips.written(), 1))
    first = say(session, 0x00, 0x47, 0x81, 0, jpkichips.SIGN_NAME, 512, sw=0x9000).data
    say(session, 0x00, 0x47, 0x80, 0, jpkichips.SIGN_NAME, 512, sw=0x6985)
    numbers = public_key(SIGN).public_numbers()
    parts = Tlv(0x81, numbers.n.to_bytes(256)), Tlv(0x82, b"\x01\x00\x01")
    assert first == Tlv.build(0x7F49, *parts).encode()


@pytest.mark.parametrize("missing", ["f/0001/d", "f/000b/d", "f/0006/d", "k/9a/v", "k/97/v", "p/9b/v", "p/98/v"])
def test_nothing_may_be_missing(missing: str) -> None:
    cells = dict(jpkichips.written())
    (cell,) = (name for name in cells if name.endswith(missing) and cells[name] != jpkichips.installed().get(name))
    empty = jpkichips.installed().get(cell)
    if empty is None:
        del cells[cell]
    else:
        cells[cell] = empty
    session = jpkichips.session(Chip(cells, 1))
    assert say(session, 0x00, 0x44).sw in (0x6984, 0x6985)


@pytest.mark.parametrize("parameters", [b"", b"\x00", b"\x03", b"\x01\x02"])
def test_another_profile_is_not_installed(parameters: bytes) -> None:
    chip = chips.active().chip()
    issuer = chip.scp03(chips.ISSUER_KEYS)
    before = chip.cells
    fields = (bytes(chips.gp.LOAD_FILE), bytes(jpkichips.JPKI), bytes(jpkichips.JPKI), b"\0")
    specific = bytes((0xC9, len(parameters))) + parameters
    data = b"".join(bytes((len(part),)) + part for part in (*fields, specific, b""))
    say(issuer, 0x80, 0xE6, 0x0C, 0x00, data, 256, sw=0x6A80)
    assert chip.cells == before


@pytest.mark.parametrize("command", ["80 2A 00 9A 01 00", "80 88 00 13 00", "80 82 00 13 00", "80 E2 90 00 00"])
def test_the_domains_other_channels_do_not_open_here(command: str) -> None:
    chip = chip_with()
    before = chip.cells
    assert chip.ask(command).sw in (0x6982, 0x6985, 0x6A86, 0x6D00, 0x6E00, 0x6700)
    assert chip.cells == before
