"""A connection that knows a dialogue by heart: for tests of what a host sends, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jukicard.iso7816.connection import ApduLimits


class ScriptedConnection:
    """Expects the commands of `script` in their order (pairs of hex: command, answer), and nothing else."""

    def __init__(self, script: Sequence[tuple[str, str]], limits: ApduLimits = ApduLimits.EXTENDED) -> None:
        self.script = [(bytes.fromhex(command), bytes.fromhex(answer)) for command, answer in script]
        self.atr = bytes.fromhex("3BE000FF8131FE4514")
        self.limits = limits
        self.events: list[str] = []

    def transmit(self, command: bytes) -> bytes:
        assert self.script, f"unexpected command {command.hex()}"
        expected, answer = self.script.pop(0)
        assert command == expected, f"{command.hex()} where {expected.hex()} was expected"
        return answer

    def finish(self) -> None:
        """Assert that the whole dialogue took place."""
        assert not self.script, f"{len(self.script)} commands were never sent"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.events.append("begin")
        yield
        self.events.append("end")

    def reset(self) -> None:
        self.events.append("reset")

    def close(self) -> None:
        self.events.append("close")
