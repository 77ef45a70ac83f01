"""The bureau's books: who wrote an entry, signatures, the table of cards, personal data apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Name subjects beside cards, and add actors, signatures, cards and people. Entries stay as they are."""
    op.drop_index("ix_events_serial", "events")
    op.alter_column("events", "serial", new_column_name="subject")
    op.create_index("ix_events_subject", "events", ["subject"])
    op.add_column("events", sa.Column("actor", sa.String(32)))
    _signatures()
    _cards()
    op.create_table(
        "people",
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("kept_until", sa.String(10), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_people_kept_until", "people", ["kept_until"])
    if op.get_bind().dialect.name == "sqlite":
        _append_only_on_sqlite()
    else:
        op.alter_column("events", "subject", type_=sa.String(64))


def _signatures() -> None:
    op.create_table(
        "signatures",
        sa.Column("last", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("signer", sa.String(32), primary_key=True),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("signature", sa.String(200), nullable=False),
    )


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("serial", sa.String(15), primary_key=True),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("expires", sa.String(10), nullable=False),
        sa.Column("code_digest", sa.String(64), nullable=False),
        sa.Column("person_digest", sa.String(64)),
        sa.Column("chip", sa.String(64)),
        sa.Column("run", sa.String(40)),
        sa.Column("rest", sa.Text, nullable=False),
    )
    for column in ("status", "code_digest", "chip", "run"):
        op.create_index(f"ix_cards_{column}", "cards", [column])


def _append_only_on_sqlite() -> None:
    """On PostgreSQL the database role's rights do the same."""
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER signatures_no_{verb.lower()} BEFORE {verb} ON signatures "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
