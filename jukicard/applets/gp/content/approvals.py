"""What a municipality has approved: DAP Verification (GP 2.3.1, 9.2.1 and C.3), approvals, and the purposes that its
ordinance lists.
"""

from __future__ import annotations

from jukicard.applets.gp.approval import LONGEST_PURPOSE, TAG_PURPOSES, Approval, ApprovalError, read_approval
from jukicard.applets.gp.content.authority import nearest, verify_under
from jukicard.applets.gp.layout import KID_APPROVAL, city_of
from jukicard.applets.gp.loadfile import LoadFileStructure
from jukicard.card.context import DomainContext
from jukicard.card.errors import CardError
from jukicard.card.registry import CardState, Entry, Privilege
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import Limits
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import TlvError, parse_tlvs

PURPOSES_CELL = "purposes"
"""In a domain: the value of BF62, each purpose an 82."""
_PURPOSE = 0x82
LONGEST_LIST = 2048


def verifier_of(ctx: DomainContext, entry: Entry) -> Entry | None:
    """Return the domain that must have approved what goes into a domain: the nearest one with DAP Verification."""
    return nearest(ctx, entry, Privilege.DAP_VERIFICATION)


def check_open(ctx: DomainContext, target: Entry) -> None:
    """Refuse (6985) to load into a domain that nobody approves for, once the card is SECURED."""
    if verifier_of(ctx, target) is None and ctx.registry.card_state >= CardState.SECURED:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "a card in use takes only what a domain has approved")


def verify_dap(ctx: DomainContext, verifier: Entry, structure: LoadFileStructure) -> None:
    """Verify the DAP block that is meant for a domain: 6985 where there is none, 6982 where it does not verify."""
    signatures = [dap.signature for dap in structure.daps if dap.domain == verifier.aid]
    if len(signatures) != 1:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"no DAP block for {verifier.aid}, or more than one")
    verify_under(ctx, verifier, KID_APPROVAL, signatures[0], structure.digest)


def approved(
    ctx: DomainContext, target: Entry, verifier: Entry, stored: bytes, found: tuple[AID, int, bytes]
) -> Limits:
    """Return the limits that an approval sets; `found` are load file AID, version and digest of what it is shown for.

    No approval: 6985.  Not signed by the domain `verifier`: 6982.  For something else or another municipality: 6A80.
    For a purpose that is not on the list: 6985.  More than the domain `target` has itself: 6A84.
    """
    if not stored:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "an approval is needed here")
    try:
        approval, signature = read_approval(stored)
    except ApprovalError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
    verify_under(ctx, verifier, KID_APPROVAL, signature, approval.message)
    if (approval.load_file, approval.version, approval.digest) != found:
        raise CardError(StatusWord.INCORRECT_DATA, "the approval is for another load file")
    _check_purpose(ctx, verifier, approval)
    limits = approval.limits
    if limits.storage > target.limits.storage or limits.memory > target.limits.memory:
        raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "approved for more than the security domain has")
    return limits


def _check_purpose(ctx: DomainContext, verifier: Entry, approval: Approval) -> None:
    if approval.municipality != city_of(verifier.aid):
        raise CardError(StatusWord.INCORRECT_DATA, "the approval is another municipality's")
    listed = parse_tlvs(ctx.area_of(verifier).read(PURPOSES_CELL) or b"")
    if approval.purpose.encode() not in {purpose.value for purpose in listed}:
        raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "the ordinance does not list this purpose")


def store_purposes(ctx: DomainContext, value: bytes) -> None:
    """Replace the domain's list of purposes (BF62: 82 each, 1 to 32 bytes of UTF-8, none twice); an empty one removes
    it.
    """
    try:
        names = [purpose.value for purpose in parse_tlvs(value) if purpose.tag == _PURPOSE and purpose.value.decode()]
        sound = sum(len(name) + 2 for name in names) == len(value) <= LONGEST_LIST
    except (TlvError, UnicodeDecodeError):
        sound, names = False, []
    if not sound or len(set(names)) != len(names) or any(len(name) > LONGEST_PURPOSE for name in names):
        raise CardError(StatusWord.INCORRECT_DATA, f"{TAG_PURPOSES:X} holds purposes, 82 each, none twice")
    ctx.area.write(PURPOSES_CELL, value or None)
