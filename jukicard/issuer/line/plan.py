"""The issuing plan: what is done to a blank chip, in which order, as data.

A plan holds no secret and touches nothing; `personalise` carries it out.  Every operation has a name, under which the
ledger notes that it was begun and done, and can be carried out again where it was interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jukicard.applets.faceverification.layout import FACE_AID
from jukicard.applets.gp.layout import (
    DOMAIN_MODULE,
    ISSUER_DOMAIN_AID,
    JUKI_DOMAIN_AID,
    KID_APPROVAL,
    KID_SCP11A,
    KID_SCP11B,
)
from jukicard.applets.juki.layout import JUKI_AID
from jukicard.applets.shared.layout import SHARED_AID
from jukicard.iso7816.aid import AID
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.line.cardkeys import DomainKeySet
from jukicard.issuer.municipal.services import Service

ANCHOR_KVN = 0x01
CHANNEL_KVN = 0x01
DOMAIN_PRIVILEGES = 0x804000
"""Security domain with authorized management: it manages the applications below it."""
MUNICIPAL_PRIVILEGES = 0xC04000
"""The same with DAP verification: it takes only what the municipality has approved."""
APPROVAL_KVN = 0x73
"""Key version of the approval key: the one that GlobalPlatform reserves for DAP verification."""

INITIALIZED, SECURED = 0x07, 0x0F

FACE_STEP, MATCH_STEP = "face", "match"


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of the plan: `name` in the ledger, `domain` whose SCP03 session it runs in."""

    name: str
    domain: AID

    does: ClassVar[str] = ""

    def describe(self) -> str:
        """Say in one line what is done."""
        return self.does


@dataclass(frozen=True, slots=True)
class PutKeySet(Operation):
    """Give a domain its own card-unique SCP03 keys."""

    keys: DomainKeySet

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"PUT KEY version {self.keys.kvn:02X}: card-unique SCP03 keys from the {self.keys.area} master key"


@dataclass(frozen=True, slots=True)
class SetCardState(Operation):
    """Move the card's life cycle on."""

    state: int

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"SET STATUS: card life cycle {self.state:02X}"


@dataclass(frozen=True, slots=True)
class Install(Operation):
    """Install an application in ROM."""

    module: AID
    aid: AID
    privileges: int = 0

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"INSTALL {self.aid}"


@dataclass(frozen=True, slots=True)
class InstallService(Operation):
    """Install a municipal service, which is in ROM, with the municipality's approval."""

    service: Service

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"INSTALL with an approval for the purpose {self.service.purpose}: {self.service.title}"


@dataclass(frozen=True, slots=True)
class PutApprovalKey(Operation):
    """Give the municipality's domain the key that verifies its approvals, and the purposes of its ordinance."""

    does: ClassVar[str] = (
        f"PUT KEY {KID_APPROVAL:02X}/{APPROVAL_KVN:02X}: the municipality's approval key; the ordinance's purposes"
    )


@dataclass(frozen=True, slots=True)
class PutAnchor(Operation):
    """Put the trust anchor of an area, with the day of issue as its first estimate of the date."""

    area: Area

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"PUT KEY 10/{ANCHOR_KVN:02X}: the {self.area} area's trust anchor, and today's date"


@dataclass(frozen=True, slots=True)
class ChannelKey(Operation):
    """Let the chip generate a channel key, and certify it."""

    kid: int
    area: Area

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"GENERATE KEY {self.kid:02X}/{CHANNEL_KVN:02X} on the chip, STORE DATA its certificates"


@dataclass(frozen=True, slots=True)
class AuthenticationKey(Operation):
    """Let the chip generate its authentication key, and certify it."""

    does: ClassVar[str] = "GENERATE ASYMMETRIC KEY PAIR on the chip, write its certificates"


@dataclass(frozen=True, slots=True)
class Personalize(Operation):
    """Give a municipal service its data."""

    service: Service

    def describe(self) -> str:
        """Say in one line what is done."""
        return f"INSTALL [for personalization] and STORE DATA: {self.service.title}"


@dataclass(frozen=True, slots=True)
class WriteData(Operation):
    """Write the card's data and the resident code."""

    does: ClassVar[str] = "UPDATE BINARY: EF.CARD, EF.CODE"


@dataclass(frozen=True, slots=True)
class ReadBack(Operation):
    """Read everything back and compare."""

    does: ClassVar[str] = "READ BINARY, GET DATA: everything read back and compared, certificates verified"


@dataclass(frozen=True, slots=True)
class Close(Operation):
    """Close personalisation, one way."""

    does: ClassVar[str] = "ACTIVATE FILE: personalisation closed, delivered locked"


@dataclass(frozen=True, slots=True)
class WriteFaceRecord(Operation):
    """Give the face-verification application what the face prints, signed."""

    does: ClassVar[str] = "INSTALL [for personalization] and STORE DATA: the face's record and its reference numbers"


@dataclass(frozen=True, slots=True)
class WriteSharedData(Operation):
    """Give the shared application what it tells everybody."""

    does: ClassVar[str] = "INSTALL [for personalization] and STORE DATA: serial, municipality and expiry"


@dataclass(frozen=True, slots=True)
class WriteCardObjects(Operation):
    """Give the issuer's domain what it tells everybody; before the applications' data, where STORE DATA goes then."""

    does: ClassVar[str] = "STORE DATA: municipality, expiry and answer to reset, for GET DATA"


@dataclass(frozen=True, slots=True)
class WriteFace(Operation):
    """Write the files from which the card's face is printed.  The chip has no part in it."""

    does: ClassVar[str] = "the face is drawn: PDF, PNG, JSON"


@dataclass(frozen=True, slots=True)
class Match(Operation):
    """Compare the record with the face's file, where there is one, and with the chip once more, from outside: by the
    reference numbers, and as a terminal, over SCP11a.
    """

    does: ClassVar[str] = (
        "VERIFY, READ BINARY: the chip holds this face; SCP11a as the issuing machine's terminal, COMPARE BINARY: and "
        "this record's code"
    )


def issuing_plan(
    keys: tuple[DomainKeySet, ...], services: tuple[Service, ...], *, face: bool = False
) -> tuple[Operation, ...]:
    """Return what is done to a blank chip for a card with those key sets (`newest_key_sets`) and services.

    `face`: whether the face's files are made too.
    """
    issuer, juki, municipal = keys
    municipal_domain = municipal.domain
    return (
        PutKeySet("issuer-keys", ISSUER_DOMAIN_AID, issuer),
        SetCardState("initialized", ISSUER_DOMAIN_AID, INITIALIZED),
        Install("juki-domain", ISSUER_DOMAIN_AID, DOMAIN_MODULE, JUKI_DOMAIN_AID, DOMAIN_PRIVILEGES),
        Install("municipal-domain", ISSUER_DOMAIN_AID, DOMAIN_MODULE, municipal_domain, MUNICIPAL_PRIVILEGES),
        PutKeySet("juki-keys", JUKI_DOMAIN_AID, juki),
        PutAnchor("juki-anchor", JUKI_DOMAIN_AID, Area.JUKI),
        ChannelKey("juki-channel-a", JUKI_DOMAIN_AID, KID_SCP11A, Area.JUKI),
        ChannelKey("juki-channel-b", JUKI_DOMAIN_AID, KID_SCP11B, Area.JUKI),
        Install("juki-application", JUKI_DOMAIN_AID, JUKI_AID, JUKI_AID),
        *_municipal_plan(municipal, services),
        AuthenticationKey("authentication-key", JUKI_AID),
        WriteData("data", JUKI_AID),
        ReadBack("read-back", JUKI_AID),
        Close("close", JUKI_AID),
        Install("face-application", ISSUER_DOMAIN_AID, FACE_AID, FACE_AID),
        Install("shared-application", ISSUER_DOMAIN_AID, SHARED_AID, SHARED_AID),
        WriteCardObjects("card-objects", ISSUER_DOMAIN_AID),
        WriteFaceRecord("face-record", ISSUER_DOMAIN_AID),
        WriteSharedData("shared-data", ISSUER_DOMAIN_AID),
        SetCardState("secured", ISSUER_DOMAIN_AID, SECURED),
        *((WriteFace(FACE_STEP, JUKI_AID),) if face else ()),
        Match(MATCH_STEP, JUKI_AID),
    )


def _municipal_plan(municipal: DomainKeySet, services: tuple[Service, ...]) -> tuple[Operation, ...]:
    domain = municipal.domain
    operations: list[Operation] = [
        PutKeySet("municipal-keys", domain, municipal),
        PutAnchor("municipal-anchor", domain, Area.MUNICIPAL),
        ChannelKey("municipal-channel-a", domain, KID_SCP11A, Area.MUNICIPAL),
        PutApprovalKey("municipal-approval-key", domain),
    ]
    for service in services:
        operations.append(InstallService(f"service-{service.name}", domain, service))
        operations.append(Personalize(f"service-{service.name}-data", domain, service))
    return tuple(operations)
