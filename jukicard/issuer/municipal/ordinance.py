"""The purposes that a municipality's ordinance allows its cards to be used for, in `ordinance.json` of the home.

The law leaves the free room on the card to the municipalities, for purposes that an ordinance of theirs lists
(住民基本台帳カードの利用に関する条例).  Nothing else is approved, and each card is told the list when it is issued.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from jukicard.applets.gp.approval import LONGEST_PURPOSE
from jukicard.issuer.errors import HomeDamaged, RuleRefused
from jukicard.issuer.files import read_file, write_atomically

ORDINANCE_FILE = "ordinance.json"
_FORMAT, _VERSION = "jukicard ordinance", 1
_NAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{LONGEST_PURPOSE - 1}}}")
_LONGEST_TITLE = 60
USUAL_PURPOSES = {
    "library": "図書館の利用",
    "certificates": "証明書の自動交付",
    "points": "地域ポイント",
    "facilities": "公共施設の予約と利用",
}
"""What the ordinance of a new authority lists, and of one that was made before there was a list."""


def purposes(home: Path) -> dict[str, str]:
    """Return the purposes, each with its title.  HomeDamaged."""
    path = home / ORDINANCE_FILE
    if not path.exists():
        return dict(USUAL_PURPOSES)
    try:
        members = json.loads(read_file(path))
        if (members["format"], members["version"]) != (_FORMAT, _VERSION):
            raise HomeDamaged(f"{path} is an ordinance of another version")
        listed = {check_purpose(name): str(title) for name, title in members["purposes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuleRefused) as error:
        raise HomeDamaged(f"{path} lists no purposes") from error
    return listed


def allow(home: Path, name: str, title: str) -> None:
    """Enter a purpose into the ordinance, or give it another title.  RuleRefused for what cannot be one."""
    if not 0 < len(title) <= _LONGEST_TITLE or not title.isprintable():
        raise RuleRefused(f"a purpose's title has 1 to {_LONGEST_TITLE} printable characters")
    _save(home, {**purposes(home), check_purpose(name): title})


def forbid(home: Path, name: str) -> None:
    """Strike a purpose out of the ordinance.  Cards and approvals that are there already are not changed by it."""
    listed = purposes(home)
    if name not in listed:
        raise RuleRefused(f"the ordinance does not list {name!r}; it lists: {', '.join(listed)}")
    _save(home, {kept: title for kept, title in listed.items() if kept != name})


def check_purpose(name: str) -> str:
    """Return the name of a purpose, if it has the form of one (RuleRefused)."""
    if not _NAME.fullmatch(name):
        raise RuleRefused("a purpose's name has lower-case letters, digits and hyphens, 32 at most")
    return name


def _save(home: Path, listed: dict[str, str]) -> None:
    members = {"format": _FORMAT, "version": _VERSION, "purposes": listed}
    write_atomically(home / ORDINANCE_FILE, json.dumps(members, indent=1, ensure_ascii=False).encode() + b"\n")
