"""The folder of an application in C: `app.toml` says what it is, the other files are its source."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jukicard.applets.gp.layout import municipal_code_aid, municipal_service_aid
from jukicard.applets.gp.loadfile import LONGEST_LABEL
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ApplicationRight, Limits
from jukicard.issuer.approvals import NotAnApplication
from jukicard.issuer.ordinance import check_purpose

PROJECT_FILE = "app.toml"
APPLICATION_SUFFIX, APPROVED_SUFFIX = ".app", ".approved"
MODULE = b"\x01"
"""What a module's AID has after that of its load file: there is one module in each file that we build."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
RIGHTS = {right.name.lower(): right for right in ApplicationRight if right.name}


@dataclass(frozen=True, slots=True)
class Project:
    """What `app.toml` says.  `service` (1-65535) is the number in the AIDs, `version` 0.0 to 255.255 as two bytes."""

    folder: Path
    name: str
    label: str
    city_code: str
    service: int
    version: int
    purpose: str
    limits: Limits

    @property
    def load_file(self) -> AID:
        """The AID of the load file."""
        return municipal_code_aid(self.city_code, self.service)

    @property
    def module(self) -> AID:
        """The AID of its one module."""
        return AID(bytes(self.load_file) + MODULE)

    @property
    def instance(self) -> AID:
        """The AID of the application on a card."""
        return municipal_service_aid(self.city_code, self.service)

    @property
    def sources(self) -> list[Path]:
        """The C files of the folder itself, by name.  NotAnApplication where there is none."""
        found = sorted(self.folder.glob("*.c"))
        if not found:
            raise NotAnApplication(f"{self.folder} has no C file")
        return found

    @property
    def application(self) -> Path:
        """Where `juki app build` writes the application file."""
        return self.folder / "build" / f"{self.name}{APPLICATION_SUFFIX}"

    @classmethod
    def read(cls, folder: Path) -> Project:
        """Read a project.  NotAnApplication says which field is wrong, and why."""
        path = folder / PROJECT_FILE
        try:
            members = tomllib.loads(path.read_text())
        except FileNotFoundError:
            raise NotAnApplication(f"{folder} is no application's folder: it has no {PROJECT_FILE}") from None
        except ValueError as error:  # no TOML, or no UTF-8
            raise NotAnApplication(f"{path}: {error}") from None
        try:
            return cls._of(folder, members)
        except KeyError as error:
            raise NotAnApplication(f"{path}: {error.args[0]} is missing") from None
        except (ValueError, TypeError) as error:
            raise NotAnApplication(f"{path}: {error}") from None

    @classmethod
    def _of(cls, folder: Path, members: dict[str, Any]) -> Project:
        known = {"name", "label", "city_code", "service", "version", "purpose", "limits"}
        if set(members) - known:
            raise ValueError(f"unknown: {', '.join(sorted(set(members) - known))}")
        found = cls(
            folder,
            _text(members, "name"),
            _text(members, "label"),
            _text(members, "city_code"),
            _number(members, "service", 0xFFFF),
            parse_version(_text(members, "version")),
            check_purpose(_text(members, "purpose")),
            _limits(members["limits"]),
        )
        if not _NAME.fullmatch(found.name):
            raise ValueError("name: lower-case letters, digits and hyphens, 32 at most")
        if not 1 <= len(found.label.encode()) <= LONGEST_LABEL:
            raise ValueError(f"label: 1 to {LONGEST_LABEL} bytes")
        municipal_service_aid(found.city_code, found.service)  # ValueError for what is no city code
        return found


def parse_version(text: str) -> int:
    """Return a version written 1.0 as a number of two bytes; ValueError."""
    major, dot, minor = text.partition(".")
    if not dot or not (major.isdecimal() and minor.isdecimal()) or int(major) > 0xFF or int(minor) > 0xFF:
        raise ValueError("version: two numbers up to 255, written 1.0")
    return int(major) << 8 | int(minor)


def version_text(version: int) -> str:
    """Return a version as it is written: 1.0."""
    return f"{version >> 8}.{version & 0xFF}"


def rights_named(names: list[str]) -> ApplicationRight:
    """Return the rights of these names; ValueError for one that does not exist."""
    rights = ApplicationRight(0)
    for name in names:
        if name not in RIGHTS:
            raise ValueError(f"rights: there is no {name!r}; there are: {', '.join(RIGHTS)}")
        rights |= RIGHTS[name]
    return rights


def rights_names(rights: ApplicationRight) -> list[str]:
    """Return the names of rights."""
    return [name for name, right in RIGHTS.items() if right in rights]


def _limits(members: dict[str, Any]) -> Limits:
    if set(members) - {"storage", "memory", "rights"}:
        raise ValueError("limits: storage, memory and rights, nothing else")
    storage, memory = (_number(members, name, 0xFFFFFFFF) for name in ("storage", "memory"))
    return Limits(storage, memory, rights_named(members["rights"]))


def _text(members: dict[str, Any], name: str) -> str:
    if not isinstance(members[name], str):
        raise TypeError(f"{name}: a text")
    return str(members[name])


def _number(members: dict[str, Any], name: str, most: int) -> int:
    value = members[name]
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name}: a number from 1 to {most}")
    return value
