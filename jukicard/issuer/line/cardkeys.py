"""Which keys open which of a card's security domains, and at which of its versions."""

from __future__ import annotations

from dataclasses import dataclass, field

from jukicard.applets.gp.client import EncryptedKey
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, JUKI_DOMAIN_AID, TRANSPORT_KVN, municipal_domain_aid
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import WrongCard
from jukicard.issuer.keys.keystore import CARD_KEY_SIZE, Diversification
from jukicard.securechannel.scp03 import (
    TRANSPORT_KEYS,
    InitializeUpdateResponse,
    SessionKeys,
    derive_session_keys,
)

ISSUER_KVN, JUKI_KVN, MUNICIPAL_KVN = 0x01, 0x02, 0x03
"""Key versions of the three domains' SCP03 sets.  They differ, so that the card's answer to INITIALIZE
UPDATE tells which domain's keys are in force where a domain still uses its parent's."""


@dataclass(frozen=True, slots=True)
class DomainKeySet:
    """The key set of one domain of our cards: its version, and the area whose master key it comes from."""

    domain: AID
    kvn: int
    area: Area


def key_sets(city_code: str) -> tuple[DomainKeySet, ...]:
    """Return the key sets of a card of that municipality."""
    return (
        DomainKeySet(ISSUER_DOMAIN_AID, ISSUER_KVN, Area.JUKI),
        DomainKeySet(JUKI_DOMAIN_AID, JUKI_KVN, Area.JUKI),
        DomainKeySet(municipal_domain_aid(city_code), MUNICIPAL_KVN, Area.MUNICIPAL),
    )


@dataclass(slots=True)
class CardKeyring:
    """Opens SCP03 sessions with any domain of any of our cards, blank ones included
    (securechannel.host.Keyring).

    After a handshake it knows what the next PUT KEY needs: the version that the card used and its
    diversification data.  A master key never leaves the key store; this card's DEK, which is its alone, does.  With
    `chip`, the number of a chip, it opens that one alone: its diversification data end with it.
    """

    authority: Authority
    chip: str | None = None
    kvn: int = 0
    _diversification: bytes = b""
    _dek: bytes = field(default=b"", repr=False)

    def session(self, update: InitializeUpdateResponse, context: bytes) -> SessionKeys:
        """Return the session keys for the key set that the card used.

        AuthenticationFailed where its version is none of ours, WrongCard where it is another chip than `chip`.
        """
        if self.chip is not None and update.diversification[-len(self.chip) // 2 :].hex().upper() != self.chip:
            raise WrongCard("there is another chip in the reader now: put the one back that was begun")
        if update.kvn == TRANSPORT_KVN:
            keys = derive_session_keys(TRANSPORT_KEYS, context)
        else:
            used = self._key_set(update.kvn)
            diversification = Diversification(bytes(used.domain), update.diversification, used.kvn)
            label = self.authority.master_label(used.area)
            keys = self.authority.keys.derive_session(label, diversification, context)
        self.kvn, self._diversification, self._dek = update.kvn, update.diversification, keys.dek or b""
        return keys

    def encrypted(self, wanted: DomainKeySet) -> tuple[EncryptedKey, ...]:
        """Return the card's own keys of another set, encrypted for PUT KEY in the session that was opened last."""
        diversification = Diversification(bytes(wanted.domain), self._diversification, wanted.kvn)
        label = self.authority.master_label(wanted.area)
        wrapped = self.authority.keys.wrap_card_keys(label, diversification, self._dek)
        return tuple(EncryptedKey(CARD_KEY_SIZE, key.cryptogram, key.kcv) for key in wrapped)

    def _key_set(self, kvn: int) -> DomainKeySet:
        for candidate in key_sets(self.authority.city.code):
            if candidate.kvn == kvn:
                return candidate
        raise AuthenticationFailed("card keys", f"the card uses key version {kvn:02X}, which is not this issuer's")
