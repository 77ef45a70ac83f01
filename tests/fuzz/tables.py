"""The command tables of the card and of every applet of the catalogue, walked; and as data for the model."""

from __future__ import annotations

from jukicard.applets import catalogue
from jukicard.card.applet import Applet
from jukicard.card.commands import Row
from jukicard.card.system_commands import System
from tests.fuzz.model import SYSTEM, Module, RowFact
from tests.support import loaded


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
KINDS = {applet: applet.label.lower() if not applet.is_domain else "domain" for applet in APPLETS}
ROWS: dict[str, tuple[Row, ...]] = {
    SYSTEM: System.table.rows,
    **{kind: applet.table.rows for applet, kind in KINDS.items()},
}
TABLES = {kind: [row_fact(row) for row in rows] for kind, rows in ROWS.items()}
MODULES = {
    bytes(applet.module): Module(
        kind, applet.label.encode(), applet.is_domain, applet.multi_selectable, applet.forwarded
    )
    for applet, kind in KINDS.items()
}
