"""The issuing machine refuses a chip that is a card already, and leaves it as it is."""

from __future__ import annotations

import pytest

from jukicard.applets.gp.client import DomainClient
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.ledger.rules import Status
from jukicard.issuer.line.cardkeys import CardKeyring, key_sets
from jukicard.issuer.line.orders import place_order
from jukicard.issuer.line.personalise import Personaliser
from jukicard.issuer.records.resident import Face, RecordRules, load_json
from tests.support.chips import randomness
from tests.support.issued import RECORD, TODAY, Office


def test_a_card_of_the_books_is_not_issued_upon(active: Office) -> None:
    first = active.card_state.serial
    hanako = load_json(RECORD.with_name("hanako.json"), RecordRules(TODAY, face=Face.A))
    order = place_order(active.authority, hanako, issued_on=TODAY, now=active.clock())
    before = dict(active.cells)
    with active.emulator() as connection:
        personaliser = Personaliser(active.authority, connection, order, randomness("second"), active.clock)
        with pytest.raises(RuleRefused, match=f"is card {first} \\(active\\)"):
            personaliser.run()
    assert active.cells == before
    assert active.authority.ledger.card(order.serial).status is Status.ORDERED
    assert active.authority.ledger.card(first).status is Status.ACTIVE


def test_a_chip_with_keys_of_somebody_is_not_issued_upon(blank: Office) -> None:
    order = place_order(blank.authority, blank.record, issued_on=TODAY, now=blank.clock())
    with blank.emulator() as connection:
        client = DomainClient(standard(connection), ISSUER_DOMAIN_AID)
        client.select()
        keyring = CardKeyring(blank.authority)
        client.open_scp03(keyring, bytes(8))
        issuer, *_ = key_sets("99201")
        client.put_key_set(issuer.kvn, keyring.encrypted(issuer))
    before = dict(blank.cells)
    with blank.emulator() as connection:
        personaliser = Personaliser(blank.authority, connection, order, randomness("second"), blank.clock)
        with pytest.raises(RuleRefused, match="not blank"):
            personaliser.run()
    assert blank.cells == before
    assert blank.authority.ledger.card(order.serial).chip is None
