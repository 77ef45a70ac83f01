"""Residents' records as commands are given them: a JSON file, or a row of a CSV file."""

from __future__ import annotations

from pathlib import Path

import click

from jukicard.issuer.records.resident import RecordRules, ResidentRecord, load_json
from jukicard.issuer.records.table import load_csv

CSV_SUFFIX = ".csv"


def read_record(path: Path, row: int | None, rules: RecordRules) -> ResidentRecord:
    """Read and check a record; `row` is a CSV file's, 1 being the first resident. RecordError, UsageError."""
    if path.suffix.lower() == CSV_SUFFIX:
        return load_csv(path, rules, row)
    if row is not None:
        raise click.UsageError(f"--row is for a CSV file, and {path.name} is none")
    return load_json(path, rules)
