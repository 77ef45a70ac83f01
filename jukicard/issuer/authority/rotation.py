"""Rotation: new master keys or a new CA, while the cards and terminals of the older ones stay served.

The keys are made first, then the certificate, then the ceremony's record; last the home's description says that the
new generation is the newest. Whatever is interrupted before that changed nothing, and the next rotation takes up what
it had made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from jukicard.issuer.authority import certificates as x
from jukicard.issuer.authority.authority import MASTERS, Authority, certificate_file
from jukicard.issuer.authority.ceremony import Ceremony
from jukicard.issuer.authority.description import DESCRIPTION_FILE, Description
from jukicard.issuer.authority.generations import Rotated, versioned
from jukicard.issuer.authority.national import NationalRoot
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.files import one_writer, write_atomically
from jukicard.issuer.keys.keystore import KeyUse

MAX_MASTER_GENERATION = 31
"""As many as a card's key versions tell apart (`line.cardkeys`)."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done: the generation that is the newest now, its keys' labels, and the record to be signed."""

    what: Rotated
    generation: int
    labels: tuple[str, ...]
    record: Path


def rotate(authority: Authority, what: Rotated, *, today: date, national: NationalRoot | None = None) -> Rotation:
    """Make the next generation of an authority's master keys or of one CA, whole or not at all.

    `national`, opened with its password, certifies a CA. The authority given goes on with the generation it was
    opened with: open it again. RuleRefused for another national root than the authority's, for a CA without one, and
    for more generations of master keys than 31.
    """
    with one_writer(authority.home / DESCRIPTION_FILE):
        description = Description.read(authority.home)
        generations = description.generations.next(what, MAX_MASTER_GENERATION if what is Rotated.MASTERS else None)
        number = generations.of(what)
        if what is Rotated.MASTERS:
            made = _make_masters(authority, number)
            certificates = {}
        else:
            made = (versioned(what.value, number),)
            certificates = {made[0]: _make_ca(authority, what, number, national, today)}
        ceremony = Ceremony.of(f"{what}-{number}", _TITLES[what], today, authority.keys, made, certificates)
        record = ceremony.write(authority.home)
        replace(description, generations=generations).write(authority.home)
    return Rotation(what, number, made, record)


_TITLES = {
    Rotated.MASTERS: "new master keys of cards",
    Rotated.CARD_CA: "a new card CA",
    Rotated.TERMINAL_CA: "a new terminal CA",
}


def _make_masters(authority: Authority, generation: int) -> tuple[str, ...]:
    labels = tuple(versioned(name, generation) for name in MASTERS.values())
    for label in labels:
        if label not in authority.keys.labels():
            authority.keys.create_master(label)
    return labels


def _make_ca(authority: Authority, what: Rotated, generation: int, national: NationalRoot | None, today: date) -> bytes:
    if national is None or national.certificate != authority.national_root:
        raise RuleRefused("a CA is certified by the national root that the authority stands under, and by no other")
    label = versioned(what.value, generation)
    keys = authority.keys
    key = keys.public_key(label) if label in keys.labels() else keys.create_ec(label, KeyUse.SIGN)
    certify = national.certify_card_ca if what is Rotated.CARD_CA else national.certify_terminal_ca
    city = authority.city
    certificate = certify(city.code, city.name, key, today=today, generation=generation)
    write_atomically(certificate_file(authority.home, what.value, generation), x.to_pem((certificate,)), 0o644)
    return certificate
