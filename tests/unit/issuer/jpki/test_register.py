"""What the books say of a card decides about its certificates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import pytest

from jukicard.applets.jpki.layout import Usage
from jukicard.issuer.errors import LedgerDamaged, LedgerError
from jukicard.issuer.jpki.register import BY_CAUSE, EVENTS, IssuedCertificate, certified, register_of
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.details import Cause, Endorsement, RevocationReason, check_detail
from jukicard.issuer.ledger.rules import TRANSITIONS, AnyEvent, Event, Status
from tests.support.jpki import AUTHENTICATION, CARD, SIGNATURE

R = RevocationReason
START = dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC)
Story = list[tuple[Event, dict[str, str]]]
BOTH = ["0a", "0b"]


def issued(number: str, usage: Usage) -> tuple[Event, dict[str, str]]:
    detail = {"certificate": number, "usage": usage.value, "issued": "2026-11-21", "expires": "2029-11-20"}
    return Event.CERTIFIED, detail


ISSUED = [issued("0a", SIGNATURE), issued("0b", AUTHENTICATION)]


def moment(number: int) -> dt.datetime:
    return START + dt.timedelta(minutes=number)


def entries(story: Iterable[tuple[AnyEvent, dict[str, str]]], card: str = CARD) -> list[Entry]:
    for event, detail in story:
        check_detail(event, detail)
    return [
        Entry(number, moment(number), card, event, detail, "0" * 64) for number, (event, detail) in enumerate(story, 1)
    ]


def reasons(story: Story) -> dict[str, tuple[RevocationReason, int] | None]:
    """From each certificate's number to why it is revoked and by which entry."""
    by_moment = {moment(number): number for number in range(1, len(story) + 1)}
    return {
        one.number: None if one.revocation is None else (one.revocation.reason, by_moment[one.revocation.at])
        for one in register_of(entries(story))
    }


MOVE = {"moved_out": "2026-11-01", "moved_in": "2026-11-02", "reported": "2026-11-03"}
TAKEN = {**MOVE, "issued": "2026-11-21", "expires": "2036-11-20", "moved_from": "99202"}


@pytest.mark.parametrize(
    ("event", "detail", "signature", "authentication"),
    [
        *((Event.VOIDED, {"cause": cause.value}, BY_CAUSE[cause], BY_CAUSE[cause]) for cause in Cause),
        (Event.VOIDED, {}, R.UNSPECIFIED, R.UNSPECIFIED),
        (Event.DESTROYED, {}, R.CESSATION_OF_OPERATION, R.CESSATION_OF_OPERATION),
        (Event.SUSPENDED, {}, R.CERTIFICATE_HOLD, R.CERTIFICATE_HOLD),
        (Event.ENDORSED, {"field": "name"}, R.AFFILIATION_CHANGED, None),
        (Event.ENDORSED, {"field": "address"}, R.AFFILIATION_CHANGED, None),
        (Event.ENDORSED, {"field": "alias"}, None, None),
        (Event.MOVED, {**MOVE, "moved_to": "99202"}, R.AFFILIATION_CHANGED, None),
        (Event.TAKEN_OVER, TAKEN, R.AFFILIATION_CHANGED, None),
        (Event.UNCERTIFIED, {"certificate": "0a", "revocation": "key-compromise"}, R.KEY_COMPROMISE, None),
        (Event.UNCERTIFIED, {"certificate": "0b", "revocation": "superseded"}, None, R.SUPERSEDED),
        (Event.PASSWORD_RESET_STARTED, {}, None, None),
        (Event.ON_CHIP, {}, None, None),
    ],
)
def test_what_an_entry_means_for_a_cards_certificates(
    event: Event,
    detail: dict[str, str],
    signature: RevocationReason | None,
    authentication: RevocationReason | None,
) -> None:
    found = reasons([*ISSUED, (event, detail)])
    expected = {"0a": signature, "0b": authentication}
    assert found == {number: None if why is None else (why, 3) for number, why in expected.items()}


def test_the_causes_mean_what_the_page_says() -> None:
    assert set(BY_CAUSE) == set(Cause)
    assert BY_CAUSE[Cause.LOST] is R.KEY_COMPROMISE
    assert BY_CAUSE[Cause.REPLACED] is R.SUPERSEDED
    assert {cause for cause, why in BY_CAUSE.items() if why is R.AFFILIATION_CHANGED} == {
        Cause.CODE_CHANGED,
        Cause.MOVED_AWAY,
    }


def test_no_event_that_ends_a_cards_use_is_left_out() -> None:
    """Whatever leads out of ACTIVE, for good or for a while, is among those that the register looks at."""
    leading_out = {
        event
        for event, transition in TRANSITIONS.items()
        if Status.ACTIVE in transition.sources and transition.target not in (None, Status.ACTIVE)
    }
    assert leading_out <= set(EVENTS)
    assert {Endorsement.NAME, Endorsement.ADDRESS} < set(Endorsement)


def test_a_hold_ends_when_the_card_is_resumed_and_may_come_again() -> None:
    story: Story = [*ISSUED, (Event.SUSPENDED, {}), (Event.RESUMED, {})]
    assert reasons(story) == {"0a": None, "0b": None}
    assert reasons([*story, (Event.SUSPENDED, {})])["0a"] == (R.CERTIFICATE_HOLD, 5)


def test_what_becomes_void_while_on_hold_counts_from_the_hold() -> None:
    story: Story = [*ISSUED, (Event.SUSPENDED, {}), (Event.VOIDED, {"cause": "lost"}), (Event.DESTROYED, {})]
    assert reasons(story) == {"0a": (R.KEY_COMPROMISE, 3), "0b": (R.KEY_COMPROMISE, 3)}


def test_resuming_brings_nothing_back_that_was_revoked_for_good() -> None:
    revoke = (Event.UNCERTIFIED, {"certificate": "0a", "revocation": "key-compromise"})
    before: Story = [*ISSUED, revoke, (Event.SUSPENDED, {}), (Event.RESUMED, {})]
    within: Story = [*ISSUED, (Event.SUSPENDED, {}), revoke, (Event.RESUMED, {})]
    assert reasons(before) == reasons(within) == {"0a": (R.KEY_COMPROMISE, 3), "0b": None}


def test_the_first_reason_stays() -> None:
    story: Story = [*ISSUED, (Event.ENDORSED, {"field": "name"}), (Event.VOIDED, {"cause": "lost"})]
    assert reasons(story) == {"0a": (R.AFFILIATION_CHANGED, 3), "0b": (R.KEY_COMPROMISE, 4)}


def test_a_later_certificate_of_the_same_use_supersedes_the_earlier() -> None:
    story: Story = [*ISSUED, issued("0c", SIGNATURE), (Event.ENDORSED, {"field": "address"})]
    expected = {"0a": (R.SUPERSEDED, 3), "0b": None, "0c": (R.AFFILIATION_CHANGED, 4)}
    assert reasons(story) == expected


def test_cards_have_nothing_to_do_with_each_other() -> None:
    other = "799201000000002"
    theirs = [Entry(9, moment(9), other, *issued("0d", SIGNATURE), "0" * 64)]
    register = register_of([*entries(ISSUED), *theirs, *entries([(Event.VOIDED, {"cause": "lost"})])])
    assert [one.number for one in register.of_card(CARD)] == BOTH
    (unharmed,) = register.of_card(other)
    assert unharmed == IssuedCertificate("0d", other, SIGNATURE, dt.date(2026, 11, 21), dt.date(2029, 11, 20))
    assert register.of_card("799201000000003") == ()


def test_books_that_contradict_themselves_are_told() -> None:
    revoke = {"certificate": "0c", "revocation": "superseded"}
    with pytest.raises(LedgerDamaged, match="never had"):
        register_of(entries([*ISSUED, (Event.UNCERTIFIED, revoke)]))
    with pytest.raises(LedgerDamaged, match="second time"):
        register_of(entries([*ISSUED, issued("0a", SIGNATURE)]))
    elsewhere = Entry(9, START, "799201000000002", Event.UNCERTIFIED, {**revoke, "certificate": "0a"}, "0" * 64)
    with pytest.raises(LedgerDamaged, match="never had"):
        register_of([*entries(ISSUED), elsewhere])


def test_a_certificate_is_entered_by_its_number_use_and_days_in_japan(leaf: bytes) -> None:
    detail = certified(leaf, SIGNATURE)
    check_detail(Event.CERTIFIED, detail)
    assert (detail["issued"], detail["expires"], detail["usage"]) == ("2026-11-21", "2029-11-20", "signature")
    assert len(detail["certificate"]) == 32


def test_a_hold_is_nobodys_to_enter() -> None:
    with pytest.raises(LedgerError):
        check_detail(Event.UNCERTIFIED, {"certificate": "0a", "revocation": "certificate-hold"})
