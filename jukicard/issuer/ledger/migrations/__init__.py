"""Migrations of the books' tables (alembic), oldest first."""
