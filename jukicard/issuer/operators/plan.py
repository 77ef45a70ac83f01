"""The plan by which a blank chip becomes an operator's card: that of a resident's, with other applications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jukicard.applets.gp.layout import DOMAIN_MODULE, ISSUER_DOMAIN_AID, JUKI_DOMAIN_AID, KID_SCP11A
from jukicard.applets.operator.layout import OPERATOR_AID
from jukicard.issuer.authority.terminals import Area
from jukicard.issuer.line.cardkeys import DomainKeySet
from jukicard.issuer.line.plan import (
    DOMAIN_PRIVILEGES,
    INITIALIZED,
    SECURED,
    ChannelKey,
    Install,
    Operation,
    PutAnchor,
    PutKeySet,
    SetCardState,
)


@dataclass(frozen=True, slots=True)
class SignatureKey(Operation):
    """Let the chip generate the operator's signature key, and certify it with what the operator may do."""

    does: ClassVar[str] = "GENERATE ASYMMETRIC KEY PAIR on the chip, write its certificates"


@dataclass(frozen=True, slots=True)
class WriteSerial(Operation):
    """Write the card's serial."""

    does: ClassVar[str] = "UPDATE BINARY: EF.SERIAL"


@dataclass(frozen=True, slots=True)
class ReadBackOperator(Operation):
    """Read everything back and compare."""

    does: ClassVar[str] = "READ BINARY, GET DATA: everything read back and compared, certificates verified"


@dataclass(frozen=True, slots=True)
class CloseOperator(Operation):
    """Close personalisation, one way."""

    does: ClassVar[str] = "ACTIVATE FILE: personalisation closed"


@dataclass(frozen=True, slots=True)
class FirstPassword(Operation):
    """Set the operator's first password, from outside: as a terminal, over SCP11a."""

    does: ClassVar[str] = "SCP11a as the counter's terminal, CHANGE REFERENCE DATA: the operator's first password"


def operator_plan(keys: tuple[DomainKeySet, ...]) -> tuple[Operation, ...]:
    """Return what is done to a blank chip for an operator; `keys` are the sets of a card of the municipality."""
    issuer, juki, _ = keys
    return (
        PutKeySet("issuer-keys", ISSUER_DOMAIN_AID, issuer),
        SetCardState("initialized", ISSUER_DOMAIN_AID, INITIALIZED),
        Install("juki-domain", ISSUER_DOMAIN_AID, DOMAIN_MODULE, JUKI_DOMAIN_AID, DOMAIN_PRIVILEGES),
        PutKeySet("juki-keys", JUKI_DOMAIN_AID, juki),
        PutAnchor("juki-anchor", JUKI_DOMAIN_AID, Area.JUKI),
        ChannelKey("juki-channel-a", JUKI_DOMAIN_AID, KID_SCP11A, Area.JUKI),
        Install("operator-application", JUKI_DOMAIN_AID, OPERATOR_AID, OPERATOR_AID),
        SignatureKey("signature-key", OPERATOR_AID),
        WriteSerial("serial", OPERATOR_AID),
        ReadBackOperator("read-back", OPERATOR_AID),
        CloseOperator("close", OPERATOR_AID),
        SetCardState("secured", ISSUER_DOMAIN_AID, SECURED),
        FirstPassword("first-password", OPERATOR_AID),
    )
