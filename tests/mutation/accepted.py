"""The survivors that are accepted, each with the reason why it cannot matter: `survivors.toml`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tests.mutation.operators import Mutant

Key = tuple[str, str, str, str]
_FIELDS = ("module", "scope", "line")


def read(path: Path) -> dict[Key, str]:
    """Return the reason for each accepted change; ValueError where one is missing or stands twice."""
    accepted: dict[Key, str] = {}
    for entry in tomllib.loads(path.read_text()).get("survivor", []):
        if not entry.get("because"):
            raise ValueError(f"no reason is given for {entry}")
        for change in entry["changes"]:
            key = (*(entry[name] for name in _FIELDS), change)
            if key in accepted:
                raise ValueError(f"listed twice: {key}")
            accepted[key] = entry["because"]
    return accepted


def as_toml(mutants: Iterable[Mutant]) -> str:
    """Return entries for these survivors, ready for a reason."""
    entries: dict[tuple[str, ...], list[str]] = {}
    for mutant in mutants:
        entries.setdefault(mutant.key[:3], []).append(mutant.change)
    return "\n".join(_entry(where, changes) for where, changes in entries.items())


def _entry(where: tuple[str, ...], changes: list[str]) -> str:
    lines = [f"{name} = {_quoted(value)}" for name, value in zip(_FIELDS, where, strict=True)]
    listed = "".join(f"    {_quoted(change)},\n" for change in dict.fromkeys(changes))
    return "\n".join(["[[survivor]]", *lines, f"changes = [\n{listed}]", 'because = ""', ""])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string
