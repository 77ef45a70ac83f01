"""INSTALL [for load] and LOAD (GP 2.3.1, 11.5 and 11.6)."""

from __future__ import annotations

from jukicard.applets.gp.content.approvals import approved, check_open, verifier_of, verify_dap
from jukicard.applets.gp.content.authority import authorise, confirm
from jukicard.applets.gp.content.fields import (
    APPROVAL,
    LONGEST_INSTALL,
    InstallFields,
    Parameters,
    own,
    to_aid,
)
from jukicard.applets.gp.loadfile import DataBlock, LoadFileError, LoadFileStructure
from jukicard.applets.gp.rules import MANAGEMENT
from jukicard.applets.gp.tokens import TAG_CODE_SIZE, TAG_SYSTEM
from jukicard.card.code import CODE_CELL
from jukicard.card.commands import ANY, PROPRIETARY, command, data, only
from jukicard.card.context import Context, DomainContext, require_domain
from jukicard.card.errors import CardError
from jukicard.card.registry import UNLIMITED, Entry
from jukicard.card.volatile import Announced
from jukicard.card.volatile import Loading as Underway
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

MORE_BLOCKS, LAST_BLOCK = 0x00, 0x80
_DIGEST_SIZE = 32


class Loading:
    """How code comes onto the card."""

    @command(
        PROPRIETARY,
        ins=0xE6,
        p1=only(0x02),
        length=data(1, LONGEST_INSTALL),
        access=MANAGEMENT,
        writes=False,
        spec="GP 2.3.1, 11.5",
        name="INSTALL [for load]",
    )
    def announce(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Announce a load file: its AID, the domain it goes to (empty: this one; or one directly below), its SHA-256 or
        nothing, parameters (the approval; EF with C6, the code's size), a token.

        The LOAD commands that follow in this session bring it.
        """
        domain = require_domain(ctx)
        fields = InstallFields.read(cmd)
        aid, digest = to_aid(fields.first), fields.third
        target = _target(domain, fields.second)
        parameters = Parameters.read(fields.parameters, known=(*APPROVAL, TAG_SYSTEM), system=(TAG_CODE_SIZE,))
        if len(digest) not in (0, _DIGEST_SIZE) or fields.privileges:
            raise CardError(StatusWord.INCORRECT_DATA, "a load file has a SHA-256 or none, and no privileges")
        authorise(domain, fields.message, fields.token, parameters.control)
        check_open(domain, target)
        _check_new(domain, aid)
        if parameters.system.get(TAG_CODE_SIZE, 0) > target.limits.storage:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more code than the security domain may store")
        announced = Announced(
            aid, target.instance, digest, parameters.approval, fields.message, fields.token, parameters.control
        )
        ctx.on_success(lambda: setattr(ctx.channel, "loading", Underway(announced)))
        return ResponseAPDU(b"\0")

    @command(
        PROPRIETARY,
        ins=0xE8,
        p1=only(MORE_BLOCKS, LAST_BLOCK),
        p2=ANY,
        length=data(1),
        access=MANAGEMENT,
        writes=True,
        spec="GP 2.3.1, 11.6",
    )
    def load(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Take block P2 (00, 01, …) of the load file that was announced; with P1 = 80, the last one, the file is
        verified and entered, all at once.

        A block that is refused ends the load.
        """
        domain = require_domain(ctx)
        loading, ctx.channel.loading = ctx.channel.loading, None
        if loading is None:
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, "no load file was announced in this session")
        if cmd.p2 != loading.blocks:  # which ends it after 256 blocks
            raise CardError(StatusWord.CONDITIONS_NOT_SATISFIED, f"block {loading.blocks} was due")
        target = domain.registry.by_instance(loading.announced.domain)
        if len(loading.received) + len(cmd.data) > target.limits.storage:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more code than the security domain may store")
        if cmd.p1 == LAST_BLOCK:
            return _enter(domain, target, loading.announced, bytes(loading.received) + cmd.data)

        def keep() -> None:
            loading.received.extend(cmd.data)
            loading.blocks += 1
            ctx.channel.loading = loading

        ctx.on_success(keep)
        return ResponseAPDU()


def _target(ctx: DomainContext, name: bytes) -> Entry:
    if not name or name == bytes(ctx.entry.aid):
        return ctx.entry
    target = own(ctx, name)
    if not target.is_domain:
        raise CardError(StatusWord.INCORRECT_DATA, "load files belong to security domains")
    return target


def _check_new(ctx: DomainContext, aid: AID) -> None:
    known = ctx.registry.by_aid(bytes(aid)) or ctx.registry.contents.load_file(bytes(aid))
    if known or any(applet.load_file == aid for applet in ctx.code.rom):
        raise CardError(StatusWord.INCORRECT_DATA, f"an application or load file {aid} exists")


def _enter(ctx: DomainContext, target: Entry, announced: Announced, received: bytes) -> ResponseAPDU:
    """Verify a whole load file and enter it: who signed it first, what its code is after that.

    By what right, is asked again: on another channel the domain may have lost it since the announcement.
    """
    mandate = authorise(ctx, announced.message, announced.token, announced.control)
    try:
        structure = LoadFileStructure.parse(received)
        block = DataBlock.parse(structure.data_block)
    except LoadFileError as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
    if announced.digest not in (b"", structure.digest):
        raise CardError(StatusWord.INCORRECT_DATA, "the data block is not the one that was announced")
    check_open(ctx, target)
    limits = UNLIMITED
    verifier = verifier_of(ctx, target)
    if verifier is not None:
        verify_dap(ctx, verifier, structure)
        found = (announced.load_file, block.version, structure.digest)
        limits = approved(ctx, target, verifier, announced.approval, found)
        if len(structure.data_block) > limits.storage:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more code than was approved")
    elif announced.approval:
        raise CardError(StatusWord.INCORRECT_DATA, "no approval is expected here")
    modules = ctx.code.loader.modules(structure.data_block, limits.memory)
    file = ctx.registry.add_load_file(
        announced.load_file, target.instance, block.version, structure.digest, limits, modules
    )
    ctx.area_of(file).write(CODE_CELL, structure.data_block)
    return confirm(ctx, mandate, file.aid, target.aid)
