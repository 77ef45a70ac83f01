"""The command tables of the card and of every applet of the catalogue, walked; and as data for the model.

A loaded application has a row for every instruction; those that the locker knows have names here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jukicard.applets import catalogue
from jukicard.applets.wasm.applet import LoadedApplet
from jukicard.card.applet import Applet
from jukicard.card.commands import INTERINDUSTRY, Row
from jukicard.card.system_commands import System
from tests.fuzz.model import SYSTEM, Module, RowFact
from tests.support import loaded, locker


def row_key(row: Row) -> str:
    """A name for a row that is its own: rows that applications inherit are one."""
    return f"{row.handler.__qualname__.split('.')[0]}: {row.name}"


def row_fact(row: Row) -> RowFact:
    """A row as data."""
    return RowFact(
        row_key(row),
        row.name,
        row.classes.value,
        row.ins,
        sum(1 << value for value in row.p1),
        sum(1 << value for value in row.p2),
        row.length.minimum,
        row.length.maximum,
        row.writes,
    )


APPLETS: tuple[type[Applet], ...] = (*catalogue.BUILT_IN, loaded.Counter)
KINDS: dict[type[Applet], str] = {
    **{applet: applet.label.lower() if not applet.is_domain else "domain" for applet in APPLETS},
    LoadedApplet: "locker",
}
_NAMES = ("COUNT", "PUT", "LOOK", "CHANGE", "TAKE", "DRAW", "SEAL", "SIGN", "VERIFY", "TIME", "WHO", "TRAP", "STORE")
_LOCKER = {getattr(locker, name): f"LOCKER {name}" for name in _NAMES}


def _rows(applet: type[Applet]) -> Iterator[Row]:
    for row in applet.table.rows:
        known = applet is LoadedApplet and row.classes is INTERINDUSTRY and row.ins in _LOCKER
        yield replace(row, name=_LOCKER[row.ins]) if known else row


ROWS: dict[str, tuple[Row, ...]] = {
    SYSTEM: System.table.rows,
    **{kind: tuple(_rows(applet)) for applet, kind in KINDS.items()},
}
TABLES = {kind: [row_fact(row) for row in rows] for kind, rows in ROWS.items()}
MODULES = {
    bytes(applet.module): Module(
        kind, applet.label.encode(), applet.is_domain, applet.multi_selectable, applet.forwarded
    )
    for applet, kind in KINDS.items()
    if applet is not LoadedApplet
}
MODULES[bytes(locker.MODULE)] = Module("locker", b"Locker", False, False, LoadedApplet.forwarded)
