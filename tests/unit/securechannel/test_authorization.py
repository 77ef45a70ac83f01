"""The certificate extension that says what a terminal may do."""

from __future__ import annotations

import uuid

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from jukicard.securechannel.authorization import (
    OID,
    AuthorizationError,
    Right,
    Role,
    TerminalAuthorization,
)

COUNTER = TerminalAuthorization(Role.COUNTER, frozenset({Right.IDENTIFY, Right.MATCH}), "99201")
# written out by hand: SEQUENCE { ENUMERATED 1, BIT STRING 1000 0001, UTF8String "99201" }
COUNTER_DER = bytes.fromhex("300e" + "0a0101" + "03020081" + "0c053939323031")

authorizations = st.builds(
    TerminalAuthorization,
    st.sampled_from(Role),
    st.frozensets(st.sampled_from(Right)),
    st.one_of(st.just("*"), st.from_regex(r"\A[0-9]{5}\Z")),
)


def test_known_encodings() -> None:
    assert COUNTER.encode() == COUNTER_DER
    assert TerminalAuthorization.decode(COUNTER_DER) == COUNTER
    nothing = TerminalAuthorization(Role.KIOSK, frozenset(), "*")
    assert nothing.encode().hex() == "3009" + "0a0104" + "030100" + "0c012a"
    ninth = TerminalAuthorization(Role.CS, frozenset({Right.MUNICIPAL_SERVICE}), "*")
    assert ninth.encode().hex() == "300b" + "0a0100" + "0303060040" + "0c012a"
    last = TerminalAuthorization(Role.KIOSK, frozenset({Right.POINTS}), "*")
    assert last.encode().hex() == "300b" + "0a0104" + "0303040010" + "0c012a"
    kiosk = TerminalAuthorization(Role.KIOSK, frozenset({Right.VENDING}), "*")
    assert kiosk.encode().hex() == "300b" + "0a0104" + "0303050020" + "0c012a"


def test_identifier_is_a_random_uuid_and_x509_can_carry_it() -> None:
    arc = uuid.UUID(int=int(OID.removeprefix("2.25.")))
    assert arc.version == 4
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(OID), COUNTER_DER)
    assert extension.oid.dotted_string == OID


@given(authorizations)
def test_round_trip(authorization: TerminalAuthorization) -> None:
    assert TerminalAuthorization.decode(authorization.encode()) == authorization


@given(authorizations, authorizations)
def test_intersection_never_gives_more(left: TerminalAuthorization, right: TerminalAuthorization) -> None:
    common = left.intersect(right)
    assert common.role is left.role
    assert common.rights <= left.rights & right.rights
    for city in ("99201", "99202", left.municipality, right.municipality):
        if common.rights and common.municipality in ("*", city):
            assert left.municipality in ("*", city)
            assert right.municipality in ("*", city)
    mirrored = right.intersect(left)
    assert common.rights == mirrored.rights
    if common.rights:
        assert common.municipality == mirrored.municipality


def test_intersection_by_example() -> None:
    everywhere = TerminalAuthorization(Role.CS, frozenset(Right), "*")
    assert COUNTER.intersect(everywhere) == COUNTER
    assert everywhere.intersect(COUNTER) == TerminalAuthorization(Role.CS, COUNTER.rights, "99201")
    elsewhere = TerminalAuthorization(Role.COUNTER, COUNTER.rights, "99202")
    assert COUNTER.intersect(elsewhere).rights == frozenset()


def test_identification_and_the_move_are_nationwide() -> None:
    rights = frozenset({Right.IDENTIFY, Right.MOVE, Right.VOID})
    counter = TerminalAuthorization(Role.COUNTER, rights, "99201")
    assert counter.rights_in("99201") == rights
    assert counter.rights_in("99202") == {Right.IDENTIFY, Right.MOVE}
    assert TerminalAuthorization(Role.CS, rights, "*").rights_in("99202") == {Right.IDENTIFY, Right.MOVE}


@pytest.mark.parametrize("municipality", ["", "9920", "992011", "**", "9920x", "９９２０１", "99²01"])
def test_municipalities_that_are_none(municipality: str) -> None:
    with pytest.raises(AuthorizationError):
        TerminalAuthorization(Role.COUNTER, frozenset(), municipality)


@pytest.mark.parametrize(
    "der",
    [
        "",
        "3000",
        COUNTER_DER.hex() + "00",
        COUNTER_DER.hex()[:-2],
        "30810e" + COUNTER_DER.hex()[4:],  # a length that is not minimal
        "3010" + "0a0101" + "0304000081" + "00" + "0c053939323031",
        "300e" + "0a0105" + "03020081" + "0c053939323031",  # role 5
        "300e" + "020101" + "03020081" + "0c053939323031",  # INTEGER for ENUMERATED
        "300f" + "0a0101" + "0303000081" + "0c0539393230",  # cut off
        "3010" + "0a0101" + "0303058100" + "0c053939323031" + "00",
        "300f" + "0a0101" + "0303038108" + "0c053939323031",  # bit 12 is no right
        "300f" + "0a0101" + "0303068100" + "0c053939323031",  # trailing zero bits
        "300e" + "0a0101" + "03020081" + "0c053939323078",
        "300e" + "0a0101" + "03020081" + "13053939323031",  # PrintableString
        "300e" + "0a0101" + "03020081" + "0c05ff39323031",  # not UTF-8
        "3010" + "0a0101" + "03020081" + "0c053939323031" + "0500",
        "300c" + "0a0101" + "0300" + "0c053939323031",  # a BIT STRING without its first byte
        "04020000",
    ],
)
def test_other_encodings_are_refused(der: str) -> None:
    with pytest.raises(AuthorizationError):
        TerminalAuthorization.decode(bytes.fromhex(der))


@given(st.binary(max_size=40), st.integers(0, len(COUNTER_DER) - 1), st.integers(0, 0xFF))
def test_arbitrary_bytes_are_read_or_refused(noise: bytes, position: int, value: int) -> None:
    changed = bytearray(COUNTER_DER)
    changed[position] = value
    for der in (noise, bytes(changed)):
        try:
            decoded = TerminalAuthorization.decode(der)
        except AuthorizationError:
            continue
        assert decoded.encode() == der
