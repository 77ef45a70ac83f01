"""vsmartcard's Python card (Debian: vsmartcard-vpicc), the peer: its card core here, or its `vicc` in a reader.

    python -m benchmarks.peer PORT    a vicc that connects to vpcd there, until it is killed

It is measured as its authors ship it, with one cure and two silences. The cure: TCP_QUICKACK after every receive, as in
our own host, so that it does not wait for the driver's second segment. The silences: its log is turned off; and, where
`silent` is asked for, it does not even make the texts (hex dumps, tracebacks) that it would log, which it makes for
every command whether the log is on or off.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from benchmarks.cards import ISSUER_AID
from jukicard.applets.juki.layout import JUKI_AID

_FOLDERS = (
    Path("/usr/lib/python3/site-packages/virtualsmartcard"),
    Path("/usr/lib/python3/dist-packages"),
    Path("/usr/local/lib/python3/dist-packages"),
)
FILE_SIZE = 2048


class PeerMissingError(RuntimeError):
    """The peer is not installed."""


def _module(name: str) -> ModuleType:
    for folder in _FOLDERS:
        if (folder / "virtualsmartcard" / "VirtualSmartcard.py").exists() and str(folder) not in sys.path:
            sys.path.append(str(folder))
    try:
        return importlib.import_module(f"virtualsmartcard.{name}")
    except ImportError as error:
        raise PeerMissingError(f"the peer needs Debian's vsmartcard-vpicc and pycryptodome ({error})") from error


def card_core() -> Any:
    """A new card: two applications under our AIDs, the second with a file of 2,048 bytes under SFI 02."""
    logging.getLogger().setLevel(logging.CRITICAL)
    generator, system, files = map(_module, ("CardGenerator", "VirtualSmartcard", "SmartcardFilesystem"))
    mf, sam = generator.CardGenerator("iso7816").getCard()
    mf.append(files.DF(parent=mf, fid=0x0100, dfname=ISSUER_AID))
    juki = files.DF(parent=mf, fid=0x0101, dfname=bytes(JUKI_AID))
    mf.append(juki)
    content = os.urandom(FILE_SIZE)
    juki.append(files.TransparentStructureEF(parent=juki, fid=0x0102, filedescriptor=1, shortfid=2, data=content))
    core = system.Iso7816OS(mf, sam)
    core.powerUp()
    return core


class Silence:
    """While it is entered, the peer does not make the texts for its log either."""

    def __enter__(self) -> None:
        self._system = _module("VirtualSmartcard")
        self._loud = (self._system.hexdump, self._system.traceback, self._system.C_APDU.__str__)
        self._system.hexdump = lambda *_args, **_options: ""
        self._system.traceback = SimpleNamespace(format_exc=lambda: "")
        self._system.C_APDU.__str__ = lambda _apdu: ""

    def __exit__(self, *_error: object) -> None:
        self._system.hexdump, self._system.traceback, self._system.C_APDU.__str__ = self._loud


class _QuickSocket(socket.socket):
    """Acknowledges at once, after every receive: the option is not sticky."""

    def recv(self, size: int, flags: int = 0) -> bytes:
        received = super().recv(size, flags)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return received


def _connect(host: str, port: int) -> socket.socket:
    connection = _QuickSocket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def serve(port: int) -> None:
    """Be a vicc in the reader at that port of this machine."""
    system = _module("VirtualSmartcard")
    system.VirtualICC.connectToPort = staticmethod(_connect)
    vicc = system.VirtualICC(None, "iso7816", "127.0.0.1", port, logginglevel=logging.CRITICAL)
    vicc.os = card_core()
    vicc.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
