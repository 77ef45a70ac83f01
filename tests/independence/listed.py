"""What one side of a card sees of another by design, each with its reason.  Printed into docs/independence.md."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """One thing that shows: what it is, why it must, and how the comparison is kept from it."""

    what: str
    why: str
    kept_out: str


LISTED: tuple[Listed, ...] = (
    Listed(
        "the card's life cycle state: a card that is locked or terminated answers nobody",
        "the state is the card's, and the issuer's to set (GP 2.3.1, 5.1)",
        "only the side that is compared sets it, on both cards",
    ),
    Listed(
        "a reset, the power, and a failure of the card's memory (6581)",
        "each ends what is volatile for everybody",
        "both cards are reset together; the store does not fail",
    ),
    Listed(
        "which logical channels are taken: MANAGE CHANNEL answers the first free number; it closes any channel",
        "there are four for all hosts, numbered by the card (ISO/IEC 7816-4:2020, 5.4.2)",
        "the secret side neither opens nor closes one",
    ),
    Listed(
        "whether an application is selected on another channel: SELECT and DELETE that name it are 6985",
        "applications that are not multi-selectable run once (GP 2.3.1, 6.6.2); what runs is not deleted",
        "the side that is compared names no application of the other",
    ),
    Listed(
        "SELECT by the first bytes of a name, and the next occurrence: which applications there are",
        "a host that does not know the full name finds applications so (ISO/IEC 7816-4, 8.2.2; GP 2.3.1, 11.9)",
        "no partial name that an application of the secret side has, too",
    ),
    Listed(
        "EF.DIR, and the issuer's GET STATUS: names, labels and life cycle states of all applications",
        "they are the directory of the card and the registry of its owner (GP 2.3.1, 11.4); no content stands there",
        "compared where both registries are the same; left out where applications come and go",
    ),
    Listed(
        "a name that is taken: INSTALL with it is 6A80",
        "an AID means one thing on a card (GP 2.3.1, 11.5)",
        "each side installs under names of its own",
    ),
    Listed(
        "an application that its owner gives to a domain of the other side (extradition), before the card is SECURED",
        "until then the card is in the issuer's hands; once it is SECURED this is refused (GP 2.3.1, 11.5.2.3.4)",
        "the secret side gives nothing away on such a card",
    ),
    Listed(
        "instance numbers: after 65,534 installations on either side the card takes no more (6A84)",
        "a number is never used again, so that nothing of a deleted application can be reached by its successor",
        "no case installs so many",
    ),
    Listed(
        "what is reserved: a domain gets no more storage than its parent has left (6A84); what is used does not show",
        "reserves are taken out of one chip",
        "no domain is installed on the secret side",
    ),
    Listed(
        "the counter of handshakes of a domain, where a domain below it has no keys of its own",
        "until its first key set a domain uses its parent's (GP 2.3.1, 7.3.4)",
        "the secret side does not delete its last keys",
    ),
    Listed(
        "between the services of one municipality: their domain's handshake counter and date estimate, its GET STATUS, "
        "its reserve, and whether a load file of its is in use",
        "they are one security domain: one owner, one secure channel",
        "where the secret is one service, it opens no SCP03 session, meets no later CA and stores little; nobody "
        "deletes its load file",
    ),
)
