"""The folder that a new application begins with: in C, to be loaded, or in Python, for the chip's ROM."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from jukicard.applets.gp.layout import municipal_code_aid
from jukicard.iso7816.aid import AID
from jukicard.sdk.project import ProjectError

LANGUAGES = ("c", "python")
MODULE = b"\x01"
"""What the AID of a load file's one module has after that of the load file."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")
_PLACE, _TEMPLATE = "name", ".in"


def create(folder: Path, language: str, city_code: str, service: int) -> list[Path]:
    """Write the files of a new application into a folder that is new or empty, and return them.

    The application is called like the folder.  `city_code` has 5 digits, `service` is 1-65535: they make its AIDs.
    ProjectError for a folder with something in it, or a name that cannot be one.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise ProjectError(f"{name!r} cannot be an application's name: lower-case letters, digits, hyphens, 16 at most")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder} exists already, and is not an empty folder")
    package = name.replace("-", "_")
    load_file = municipal_code_aid(city_code, service)
    values = {
        "name": name,
        "package": package,
        "class_name": "".join(part.capitalize() for part in name.split("-")),
        "label": name.capitalize(),
        "load_file": str(load_file),
        "module": str(AID(bytes(load_file) + MODULE)),
    }
    stem = name if language == "c" else package
    return list(_write(files(__package__) / "skeletons" / language, folder, stem, values))


def _write(source: Traversable, folder: Path, stem: str, values: dict[str, str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            written += _write(entry, folder / entry.name, stem, values)
            continue
        path = folder / entry.name.removesuffix(_TEMPLATE).replace(_PLACE, stem)
        path.write_text(Template(entry.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        written.append(path)
    return written
