"""Programs for other cards (PIV, OpenPGP, CAC, GIDS, PKCS #15, …) meet a JPKI card, which stays as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jukicard.applets.jpki.layout import Profile, Usage
from tests.support.jpkicards import HeldCard
from tests.support.jpkiclients import Client, pkcs11_sign
from tests.support.jpkiforeign import PROBES, TOOLS


@pytest.mark.parametrize("profile", list(Profile), ids=lambda profile: profile.name.lower())
@pytest.mark.parametrize("client", [*PROBES, *TOOLS], ids=lambda client: client.name)
def test_it_finds_nothing_and_changes_nothing(
    hold: Callable[[Profile], HeldCard], profile: Profile, client: Client
) -> None:
    card = hold(profile)
    client.use(card, Usage.SIGNATURE)
    assert card.unharmed
    pkcs11_sign(card, Usage.SIGNATURE)
