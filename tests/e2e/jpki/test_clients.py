"""Unmodified programs use the JPKI application: they list, sign, log in, and leave the card as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.applets.jpki.layout import Profile, Usage
from tests.support.jpkicards import BOTH_KEYS, HeldCard
from tests.support.jpkiclients import CLIENTS, Client

Hold = Callable[[Profile], HeldCard]
every_key = pytest.mark.parametrize(
    ("profile", "usage"), BOTH_KEYS, ids=[f"{profile.name.lower()}-{usage}" for profile, usage in BOTH_KEYS]
)


@every_key
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_it_does_its_work(hold: Hold, profile: Profile, usage: Usage, client: Client) -> None:
    card = hold(profile)
    client.use(card, usage)
    assert card.unharmed
