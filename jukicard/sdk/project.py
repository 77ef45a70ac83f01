"""An application's folder: its sources, and app.toml, which says what it is and what it asks for.

```toml
load_file = "F0 68 65 6C 6C 6F"         # AID of the load file, in hexadecimal digits
module = "F0 68 65 6C 6C 6F 01"         # AID of the module in it: the load file's, and one byte more
label = "Hello"                         # 1 to 16 bytes in UTF-8
version = 1                             # 0 to 65535
sources = ["hello.c"]                   # in the folder
storage = 1024                          # bytes; optional, as are the next two: what an approval is asked for
memory = 65536                          # bytes of volatile memory, in whole pages of 65536
rights = ["files", "contact"]           # names of ApplicationRight, in lower case
```
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jukicard.applets.gp.loadfile import LONGEST_LABEL
from jukicard.applets.wasm.layout import MAX_PAGES, PAGE
from jukicard.iso7816.aid import AID
from jukicard.iso7816.limits import ApplicationRight, Limits

NAME = "app.toml"
DEFAULT_STORAGE = 1024
DEFAULT_RIGHTS = ("contact", "contactless")
_NEEDED = {"load_file", "module", "label", "version", "sources"}
_OPTIONAL = {"storage", "memory", "rights"}


class ProjectError(Exception):
    """The folder is no application's; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Project:
    """What app.toml says; `sources` are the files themselves."""

    folder: Path
    load_file: AID
    module: AID
    label: str
    version: int
    sources: tuple[Path, ...]
    limits: Limits

    @classmethod
    def read(cls, folder: Path) -> Project:
        """Read app.toml in a folder; ProjectError for one that is not there or says something else."""
        path = folder / NAME
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProjectError(f"{path}: {error}") from None
        unknown = set(content) - _NEEDED - _OPTIONAL
        missing = _NEEDED - set(content)
        if unknown or missing:
            what = f"it does not know {sorted(unknown)}" if unknown else f"{sorted(missing)} are missing"
            raise ProjectError(f"{path}: {what}")
        try:
            return cls._of(folder, content)
        except (TypeError, ValueError, KeyError) as error:
            raise ProjectError(f"{path}: {error}") from None

    @classmethod
    def _of(cls, folder: Path, content: dict[str, Any]) -> Project:
        label, version, names = content["label"], content["version"], content["sources"]
        if not isinstance(label, str) or not 1 <= len(label.encode()) <= LONGEST_LABEL:
            raise ValueError(f"label has 1 to {LONGEST_LABEL} bytes")
        if not isinstance(version, int) or not 0 <= version <= 0xFFFF:
            raise ValueError("version is a number from 0 to 65535")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise ValueError("sources is a list of file names")
        sources = tuple(folder / name for name in names)
        missing = [source.name for source in sources if not source.is_file()]
        if missing:
            raise ValueError(f"there is no source {', '.join(missing)}")
        load_file, module = (AID.from_hex(content[name]) for name in ("load_file", "module"))
        if bytes(module)[:-1] != bytes(load_file):
            raise ValueError("module is load_file and one byte more: so the load file is called after what is in it")
        return cls(folder, load_file, module, label, version, sources, _limits(content))


def _limits(content: dict[str, Any]) -> Limits:
    storage, memory = content.get("storage", DEFAULT_STORAGE), content.get("memory", PAGE)
    if not isinstance(storage, int) or not 0 <= storage < 1 << 32:
        raise ValueError("storage is a number of bytes")
    if not isinstance(memory, int) or memory % PAGE or not 1 <= memory // PAGE <= MAX_PAGES:
        raise ValueError(f"memory is 1 to {MAX_PAGES} times {PAGE} bytes")
    rights = ApplicationRight(0)
    for name in content.get("rights", DEFAULT_RIGHTS):
        if not isinstance(name, str) or name.upper() not in ApplicationRight.__members__:
            raise ValueError(f"no right {name}: there are {', '.join(ApplicationRight.__members__).lower()}")
        rights |= ApplicationRight[name.upper()]
    return Limits(storage, memory, rights)
