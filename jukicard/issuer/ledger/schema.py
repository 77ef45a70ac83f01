"""The tables of the books, as the newest migration leaves them (`migrations/`).

* `events`: one line per entry; append-only.
* `signatures`: by operators' cards (`first` to `last`, the entries of one group) and by the authority (a seal: `first`
  is 1); append-only.
* `cards`: what each card's entries add up to, so that nobody has to read them all; verified against them.
* `people`: sealed personal data of unfinished business, apart from everything else, to be erased.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False, index=True),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("actor", sa.String(32)),
)
signatures = sa.Table(
    "signatures",
    metadata,
    sa.Column("last", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("signer", sa.String(32), primary_key=True),
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("signature", sa.String(200), nullable=False),
)
cards = sa.Table(
    "cards",
    metadata,
    sa.Column("serial", sa.String(15), primary_key=True),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("expires", sa.String(10), nullable=False),
    sa.Column("code_digest", sa.String(64), nullable=False, index=True),
    sa.Column("person_digest", sa.String(64)),
    sa.Column("chip", sa.String(64), index=True),
    sa.Column("run", sa.String(40), index=True),
    sa.Column("rest", sa.Text, nullable=False),
)
people = sa.Table(
    "people",
    metadata,
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("kept_until", sa.String(10), nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

APPEND_ONLY = ("events", "signatures")
