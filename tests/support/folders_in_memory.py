"""A folder in memory where the system has one: for stories whose thousands of commits need not outlive a power cut."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY_DISK = Path("/dev/shm")


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A private folder of its own; it is gone afterwards."""
    where = MEMORY_DISK if MEMORY_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="jukicard-", dir=where) as folder:
        yield Path(folder)
