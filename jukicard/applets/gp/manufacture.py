"""The blank chip, as its maker delivers it: OP_READY, the issuer's security domain, the public transport keys."""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.gp.identity import DIVERSIFICATION_CELL, identity_cell
from jukicard.applets.gp.keystore import DomainKeys, KeyReference
from jukicard.applets.gp.layout import (
    ISSUER_DOMAIN_AID,
    KID_SCP03,
    TAG_CARD_NUMBER,
    TAG_ISSUER_NUMBER,
    TAG_PRODUCTION,
    TRANSPORT_KVN,
)
from jukicard.card.registry import CardState, Privilege, Registry
from jukicard.card.store import Store
from jukicard.card.transaction import Area, Transaction
from jukicard.securechannel.scp03 import TRANSPORT_KEYS

_ISSUER_NUMBER = bytes.fromhex("4A554B49")
_PRIVILEGES = (
    Privilege.SECURITY_DOMAIN
    | Privilege.CARD_LOCK
    | Privilege.CARD_TERMINATE
    | Privilege.CARD_RESET
    | Privilege.CVM_MANAGEMENT
    | Privilege.TRUSTED_PATH
    | Privilege.AUTHORIZED_MANAGEMENT
    | Privilege.GLOBAL_DELETE
    | Privilege.GLOBAL_LOCK
    | Privilege.GLOBAL_REGISTRY
)


@dataclass(frozen=True, slots=True)
class ChipIdentity:
    """What the maker writes into a chip: its number, 0 to 10**16-1, from which the other numbers follow."""

    number: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < 10**16:
            raise ValueError("a chip number has 16 digits at most")

    @property
    def card_number(self) -> bytes:
        """The card image number (tag 45): 8 BCD bytes."""
        return bytes.fromhex(f"{self.number:016d}")

    @property
    def diversification(self) -> bytes:
        """The ten bytes from which issuers derive this chip's keys."""
        return _ISSUER_NUMBER[:2] + self.card_number

    @property
    def production(self) -> bytes:
        """Production data (tag 9F7F, "CPLC"), 42 bytes: zeros but for the fabricator's and the chip's number."""
        return _ISSUER_NUMBER[:2] + bytes(10) + self.card_number[-6:] + bytes(24)


def manufacture(store: Store, identity: ChipIdentity) -> None:
    """Make an empty store a blank chip, in one commit."""
    transaction = Transaction(store)
    domain = Registry(transaction).add(
        ISSUER_DOMAIN_AID, SecurityDomain.load_file, SecurityDomain.module, None, _PRIVILEGES, CardState.OP_READY
    )
    area = Area(transaction, domain.area)
    area.write(identity_cell(TAG_ISSUER_NUMBER), _ISSUER_NUMBER)
    area.write(identity_cell(TAG_CARD_NUMBER), identity.card_number)
    area.write(identity_cell(TAG_PRODUCTION), identity.production)
    area.write(DIVERSIFICATION_CELL, identity.diversification)
    DomainKeys(area).put_key_set(KeyReference(KID_SCP03, TRANSPORT_KVN), TRANSPORT_KEYS)
    transaction.commit()
