"""Reading the record that a command names."""

from __future__ import annotations

from pathlib import Path

import click

from jukicard.issuer.records.resident import RecordRules, ResidentRecord, load_json
from jukicard.issuer.records.table import load_csv

CSV_SUFFIX = ".csv"


def read_record(path: Path, row: int | None, rules: RecordRules) -> ResidentRecord:
    """Read a record from a JSON file, or a row of a CSV file.  RecordError."""
    if path.suffix.lower() == CSV_SUFFIX:
        return load_csv(path, rules, row)
    if row is not None:
        raise click.UsageError(f"--row is for a CSV file, and {path.name} is none")
    return load_json(path, rules)
