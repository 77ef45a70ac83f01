"""A loaded application as the card sees it: one command for every instruction, which the module answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from jukicard.applets.service.applet import MunicipalService
from jukicard.applets.wasm.errors import CodeError, TrapError
from jukicard.applets.wasm.host import Host
from jukicard.applets.wasm.layout import INSTALL, PROCESS, may_answer
from jukicard.card.commands import ANY, ANY_DATA, FREE, INTERINDUSTRY, PROPRIETARY, CommandTable, Row
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.routing import SYSTEM
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.status import StatusWord

if TYPE_CHECKING:
    from jukicard.applets.wasm.engine import CompiledModule, Instance
    from jukicard.applets.wasm.loader import LoadedCode

_INVALID_INS = (0x6, 0x9)
"""High halves of instructions that the standard rules out: they would look like status words (ISO/IEC 7816-3)."""


class Program:
    """A module at work on one logical channel; see `jukicard.card.volatile.Program`."""

    __slots__ = ("code", "domain", "instance", "memory")

    def __init__(self, domain: int, code: CompiledModule) -> None:
        self.domain = domain
        self.memory = code.checked.memory
        self.code = code
        self.instance: Instance | None = None


class LoadedApplet(MunicipalService):
    """The code of one module in a load file."""

    multi_selectable: ClassVar[bool] = False

    def __init__(self, load_file: AID, module: AID, code: LoadedCode) -> None:
        self.load_file = load_file  # type: ignore[misc]  # a class for each module would be one for no other reason
        self.module = module  # type: ignore[misc]
        self.label = code.label  # type: ignore[misc]
        self._code = code

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Let the module install itself, if it has a function for that: it reads the parameters as its command.

        6A84 where it needs more volatile memory than the application or its domain has.
        """
        code = self._compiled()
        before = ctx.channel.program
        program = self._begin(ctx, code)
        ctx.channel.program = before
        if not code.checked.installs:
            super().install(ctx, parameters)
            return
        sw, _ = self._run(program, INSTALL, ctx, parameters, None)
        if sw != StatusWord.OK:
            raise _own_refusal(sw)

    def process(self, cmd: CommandAPDU, ctx: Context) -> ResponseAPDU:
        """Let the module answer.

        6400, and its memory is gone, where it does what it must not, or does not come to an end; also where a commit of
        what it wrote fails: what it remembers would not be what the card holds.
        """
        channel = ctx.channel
        program = channel.program
        if not isinstance(program, Program):
            program = self._begin(ctx, self._compiled())
        channel.program = None
        message = bytes(cmd[:4]) + cmd.data
        sw, answered = self._run(program, PROCESS, ctx, message, cmd.ne)
        if sw.is_error:
            channel.program = program
            raise _own_refusal(sw)
        ctx.on_success(lambda: setattr(channel, "program", program))
        return ResponseAPDU(answered, sw)

    def _compiled(self) -> CompiledModule:
        """Return the compiled code; 6A81 without the engine, 6581 for code that this card no longer takes."""
        try:
            return self._code.compiled()
        except CodeError as error:
            raise CardError(StatusWord.MEMORY_FAILURE, f"the stored code is not sound: {error}") from None

    @staticmethod
    def _begin(ctx: Context, code: CompiledModule) -> Program:
        """Return a program that the application and its domain have the memory for (6A84)."""
        memory = code.checked.memory
        if memory > ctx.entry.limits.memory:
            raise CardError(StatusWord.NOT_ENOUGH_MEMORY, "more volatile memory than the application may use")
        program = Program(ctx.entry.domain, code)
        ctx.start(program)
        return program

    @staticmethod
    def _run(program: Program, function: str, ctx: Context, message: bytes, ne: int | None) -> tuple[StatusWord, bytes]:
        try:
            if program.instance is None:
                program.instance = program.code.instantiate()
            host = Host(ctx, program.instance, message, ne, installing=function == INSTALL)
            sw = program.instance.run(function, host.call)
            if not may_answer(sw):
                raise TrapError("it answered with a status word that is not an application's")
        except TrapError as error:
            raise CardError(StatusWord.EXECUTION_ERROR, f"the application was stopped: {error}") from None
        return StatusWord(sw), bytes(host.answered)


def _own_refusal(sw: StatusWord) -> CardError:
    return CardError(sw, "the application's own code refused")


def _rows() -> Iterator[Row]:
    """Yield a row for every instruction that neither the card nor the security domain takes."""
    for classes, cla in ((INTERINDUSTRY, 0x00), (PROPRIETARY, 0x80)):
        forwarded = LoadedApplet.forwarded if cla else frozenset()
        for ins in range(0x100):
            if ins >> 4 in _INVALID_INS or ins in forwarded or SYSTEM.table.find(cla, ins):
                continue
            yield Row(
                "a loaded application's command", classes, ins, ANY, ANY, ANY_DATA, FREE, True,
                "docs/loaded-applications.md", LoadedApplet.process,
            )  # fmt: skip


LoadedApplet.table = CommandTable(list(_rows()))
