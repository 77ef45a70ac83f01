"""The modules that are in every chip's ROM."""

from __future__ import annotations

from collections.abc import Iterable

from jukicard.applets.faceverification.applet import FaceVerificationApplet
from jukicard.applets.folder.applet import FolderApplet
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.jpki.applet import JpkiApplet
from jukicard.applets.juki.applet import JukiApplet
from jukicard.applets.library.applet import LibraryApplet
from jukicard.applets.operator.applet import OperatorApplet
from jukicard.applets.points.applet import PointsApplet
from jukicard.applets.shared.applet import SharedApplet
from jukicard.applets.vending.applet import VendingApplet
from jukicard.applets.wasm.loader import WasmLoader
from jukicard.card.applet import Applet
from jukicard.card.code import Rom

BUILT_IN: tuple[type[Applet], ...] = (
    SecurityDomain,
    JukiApplet,
    LibraryApplet,
    FolderApplet,
    VendingApplet,
    PointsApplet,
    OperatorApplet,
    JpkiApplet,
    FaceVerificationApplet,
    SharedApplet,
)


def rom(further: Iterable[type[Applet]] = ()) -> Rom:
    """Return the ROM of a chip: the built-in modules, and `further` ones (ValueError where two have the same module
    AID).  It runs loaded code, too, where the engine for it is installed.
    """
    return Rom((*BUILT_IN, *further), WasmLoader())
