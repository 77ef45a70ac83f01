"""Which keys open which of a card's security domains, and at which of its versions.

The three domains' SCP03 sets have different key versions, so that the card's answer to INITIALIZE UPDATE tells which
domain's keys are in force where a domain still uses its parent's.  Each generation of master keys has three of its
own, so that the same answer tells the generation: 01 to 03 the first, 04 to 06 the second, and so on to 1E; the
eleventh begins at 30, the thirty-first ends at 6E.  Kept clear are 20 to 2F, which GlobalPlatform has for SCP02, and 70
to 7F for tokens, receipts and DAP (Card Specification 2.3.1, 11.1.9).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jukicard.applets.gp.client import EncryptedKey
from jukicard.applets.gp.layout import ISSUER_DOMAIN_AID, JUKI_DOMAIN_AID, TRANSPORT_KVN, municipal_domain_aid
from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import AuthenticationFailed
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.authority.generations import FIRST, Rotated
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.errors import WrongCard
from jukicard.issuer.keys.keystore import CARD_KEY_SIZE, Diversification
from jukicard.securechannel.scp03 import (
    TRANSPORT_KEYS,
    InitializeUpdateResponse,
    SessionKeys,
    derive_session_keys,
)

SETS_OF_A_CARD = 3
_FIRST_VERSIONS = (*range(0x01, 0x1F, SETS_OF_A_CARD), *range(0x30, 0x6E, SETS_OF_A_CARD))
"""The issuer's domain's key version in each generation; the Juki domain's and the municipality's follow."""


@dataclass(frozen=True, slots=True)
class DomainKeySet:
    """The key set of one domain of our cards: its version, and the master key it comes from, by area and generation."""

    domain: AID
    kvn: int
    area: Area
    generation: int = FIRST


def key_sets(city_code: str, generation: int = FIRST) -> tuple[DomainKeySet, ...]:
    """Return the key sets of a card of that municipality that was made in that generation, 1 to 31."""
    first = _FIRST_VERSIONS[generation - 1]
    return (
        DomainKeySet(ISSUER_DOMAIN_AID, first, Area.JUKI, generation),
        DomainKeySet(JUKI_DOMAIN_AID, first + 1, Area.JUKI, generation),
        DomainKeySet(municipal_domain_aid(city_code), first + 2, Area.MUNICIPAL, generation),
    )


def newest_key_sets(authority: Authority) -> tuple[DomainKeySet, ...]:
    """Return the key sets of a card that the authority makes now."""
    return key_sets(authority.city.code, authority.description.generations.of(Rotated.MASTERS))


@dataclass(slots=True)
class CardKeyring:
    """Opens SCP03 sessions with any domain of any of our cards, blank ones included
    (securechannel.host.Keyring).

    After a handshake it knows what the next PUT KEY needs: the key set that the card used (None: the maker's) and
    its diversification data.  A master key never leaves the key store; this card's DEK, which is its alone, does.  With
    `chip`, the number of a chip, it opens that one alone: its diversification data end with it.
    """

    authority: Authority
    chip: str | None = None
    used: DomainKeySet | None = None
    _diversification: bytes = b""
    _dek: bytes = field(default=b"", repr=False)

    def session(self, update: InitializeUpdateResponse, context: bytes) -> SessionKeys:
        """Return the session keys for the key set that the card used.

        AuthenticationFailed where its version is none of ours, WrongCard where it is another chip than `chip`.
        """
        if self.chip is not None and update.diversification[-len(self.chip) // 2 :].hex().upper() != self.chip:
            raise WrongCard("there is another chip in the reader now: put the one back that was begun")
        used = None if update.kvn == TRANSPORT_KVN else self._key_set(update.kvn)
        if used is None:
            keys = derive_session_keys(TRANSPORT_KEYS, context)
        else:
            diversification = Diversification(bytes(used.domain), update.diversification, used.kvn)
            label = self.authority.master_label(used.area, used.generation)
            keys = self.authority.keys.derive_session(label, diversification, context)
        self.used, self._diversification, self._dek = used, update.diversification, keys.dek or b""
        return keys

    def encrypted(self, wanted: DomainKeySet) -> tuple[EncryptedKey, ...]:
        """Return the card's own keys of another set, encrypted for PUT KEY in the session that was opened last."""
        diversification = Diversification(bytes(wanted.domain), self._diversification, wanted.kvn)
        label = self.authority.master_label(wanted.area, wanted.generation)
        wrapped = self.authority.keys.wrap_card_keys(label, diversification, self._dek)
        return tuple(EncryptedKey(CARD_KEY_SIZE, key.cryptogram, key.kcv) for key in wrapped)

    def _key_set(self, kvn: int) -> DomainKeySet:
        for generation in range(FIRST, self.authority.description.generations.of(Rotated.MASTERS) + 1):
            for candidate in key_sets(self.authority.city.code, generation):
                if candidate.kvn == kvn:
                    return candidate
        raise AuthenticationFailed("card keys", f"the card uses key version {kvn:02X}, which is not this issuer's")
