"""By what right a domain changes content: its own (Authorized Management), or another's, by tokens (Delegated
Management, GP 2.3.1, 9.3 and annex C); and the receipts that prove to the other what was done.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.applets.gp.content.fields import by_tag
from jukicard.applets.gp.identity import identity
from jukicard.applets.gp.keystore import DomainKeys
from jukicard.applets.gp.layout import KID_RECEIPT, KID_TOKEN, TAG_CARD_NUMBER, TAG_ISSUER_NUMBER
from jukicard.applets.gp.tokens import RECEIPT_SIZE, TAG_PROVIDER, TAG_TOKEN_IDENTIFIER, Confirmation, receipt
from jukicard.card.context import DomainContext
from jukicard.card.errors import CardError
from jukicard.card.registry import Entry, Privilege
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.status import StatusWord
from jukicard.securechannel.signatures import is_signed_by

RECEIPT_COUNTER_CELL = "receipts"
"""In the domain whose key makes them: how many receipts it gave, 2 bytes."""
_LAST_RECEIPT = 0xFFFF


class Mandate(NamedTuple):
    """By what right: `manager` is the domain whose token allowed it, None where a domain acts in its own right;
    `identifier` the token's, if it has one.
    """

    manager: Entry | None
    identifier: bytes = b""


def nearest(ctx: DomainContext, entry: Entry, privilege: Privilege) -> Entry | None:
    """Return the first domain with a privilege, from `entry` itself upwards; None where there is none."""
    while privilege not in entry.privileges:
        if entry.domain == entry.instance:
            return None
        entry = ctx.registry.by_instance(entry.domain)
    return entry


def public_keys(ctx: DomainContext, entry: Entry, kid: int) -> list[ec.EllipticCurvePublicKey]:
    """Return all versions of a domain's own public key; 6985 where it has none, or is locked and does nothing for
    others (GP 2.3.1, 5.3.2).
    """
    if not ctx.registry.is_usable(entry):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the security domain that would verify it is locked")
    keys = DomainKeys(ctx.area_of(entry))
    found = [keys.public(reference) for reference in keys.references() if reference.kid == kid]
    if not found:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"no key {kid:02X} to verify it with")
    return found


def verify_under(ctx: DomainContext, entry: Entry, kid: int, signature: bytes, message: bytes) -> None:
    """Verify a signature under any version of a domain's key; 6982 where it does not verify."""
    if not any(is_signed_by(key, signature, message) for key in public_keys(ctx, entry, kid)):
        raise CardError(StatusWord.SECURITY_NOT_SATISFIED, "the signature does not verify")


def authorise(ctx: DomainContext, message: bytes, token: bytes, control: bytes | None) -> Mandate:
    """Return by what right the domain changes content.

    With Authorized Management a token is not expected (6A80).  With Delegated Management it must be there (6985), be
    meant for this card (`control`, 6985), and verify (6982) under key 21 of the nearest domain above with Authorized
    Management.  Without either: 6985.
    """
    if Privilege.AUTHORIZED_MANAGEMENT in ctx.entry.privileges:
        if token or control is not None:
            raise CardError(StatusWord.INCORRECT_DATA, "no token is expected here")
        return Mandate(None)
    manager = nearest(ctx, ctx.entry, Privilege.AUTHORIZED_MANAGEMENT)
    if Privilege.DELEGATED_MANAGEMENT not in ctx.entry.privileges or manager is None:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "this domain does not manage content")
    if not token:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "a token is needed here")
    identifier = _addressed_here(ctx, by_tag(control or b""))
    verify_under(ctx, manager, KID_TOKEN, token, message)
    return Mandate(manager, identifier)


def _addressed_here(ctx: DomainContext, control: dict[int, bytes]) -> bytes:
    """Return the token's identifier; 6985 where B6 names another card or issuer."""
    numbers = (TAG_ISSUER_NUMBER, TAG_CARD_NUMBER)
    if set(control) - {*numbers, TAG_PROVIDER, TAG_TOKEN_IDENTIFIER}:
        raise CardError(StatusWord.INCORRECT_DATA, "B6 holds 42, 45, 5F20 and 93")
    if any(control[tag] != identity(ctx, tag) for tag in numbers if tag in control):
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the token is for another card")
    return control.get(TAG_TOKEN_IDENTIFIER, b"")


def confirm(ctx: DomainContext, mandate: Mandate, *names: AID) -> ResponseAPDU:
    """Return the answer to a change of content: 00, or its confirmation with a receipt (GP 2.3.1, 11.1.6 and C.5).

    A receipt is AES-CMAC by key 22 of the domain whose token allowed it, over the confirmation data and `names`, each
    with a length byte before it.  The number of receipts given is counted in the command's own commit.
    """
    if mandate.manager is None:
        return ResponseAPDU(b"\0")
    area = ctx.area_of(mandate.manager)
    keys = DomainKeys(area)
    reference = next((found for found in keys.references() if found.kid == KID_RECEIPT), None)
    if reference is None:
        return ResponseAPDU(b"\0")
    number = int.from_bytes(area.read(RECEIPT_COUNTER_CELL) or b"") + 1
    if number > _LAST_RECEIPT:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the receipt counter is used up")
    area.write(RECEIPT_COUNTER_CELL, number.to_bytes(2))
    unique = b"".join(identity(ctx, tag) or b"" for tag in (TAG_ISSUER_NUMBER, TAG_CARD_NUMBER))
    confirmation = Confirmation(bytes(RECEIPT_SIZE), number, unique, mandate.identifier)
    mac = receipt(keys.secret(reference), confirmation.told, *map(bytes, names))
    return ResponseAPDU(confirmation._replace(receipt=mac).encode())
