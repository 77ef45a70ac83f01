"""Builds applications in C with clang and lld (Debian's packages clang and lld), and checks them as a card would."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

from jukicard.applets.gp.loadfile import DataBlock, Module
from jukicard.applets.wasm.checking import check
from jukicard.applets.wasm.errors import CodeError
from jukicard.applets.wasm.layout import INTERFACE_VERSION, PAGE
from jukicard.applets.wasm.reading import Reader
from jukicard.sdk.project import Project

STACK = 8192
"""Bytes of the memory for C's own stack; it lies lowest, so that running over it is a trap."""
_CUSTOM = 0
_HEADER_SIZE = 8
_FLAGS = (
    "--target=wasm32-unknown-unknown",
    "-mcpu=mvp",
    "-msign-ext",
    "-std=c11",
    "-Os",
    "-Wall",
    "-Wextra",
    "-ffreestanding",
    "-fno-builtin",
    "-nostdlib",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,--stack-first",
    f"-Wl,-z,stack-size={STACK}",
)


class BuildError(Exception):
    """The application was not built; the message says why, for people: the compiler's own words, where it has any."""


def build_module(sources: Sequence[Path], memory: int = PAGE) -> bytes:
    """Compile C sources, with the kit's library, into a WebAssembly module whose memory has so many bytes.

    The same sources and the same compiler make the same bytes.  BuildError without the compiler, for what it refuses,
    and for a module that no card would take.
    """
    clang = shutil.which("clang")
    if clang is None or shutil.which("wasm-ld") is None:
        raise BuildError("clang and lld are needed to build applications (Debian's packages clang and lld)")
    bounds = (f"-Wl,--initial-memory={memory}", f"-Wl,--max-memory={memory}")
    with as_file(files(__package__) / "c") as kit, tempfile.TemporaryDirectory(prefix="juki-app-") as folder:
        out = Path(folder) / "module.wasm"
        given = [*_FLAGS, *bounds, f"-I{kit}", "-o", str(out), str(kit / "juki.c"), *map(str, sources)]
        done = subprocess.run([clang, *given], capture_output=True, text=True, check=False)  # noqa: S603  found above
        if done.returncode:
            raise BuildError(done.stderr.strip() or f"clang ended with {done.returncode}")
        code = without_custom_sections(out.read_bytes())
    try:
        return check(code).code
    except CodeError as error:
        raise BuildError(f"no card would take this module: {error}") from None


def build(project: Project) -> DataBlock:
    """Build a project's module, and return the load file data block with it.  Raises BuildError."""
    code = build_module(project.sources, project.limits.memory)
    return DataBlock(project.version, (Module(project.module, project.label, INTERFACE_VERSION, code),))


def without_custom_sections(code: bytes) -> bytes:
    """Return a module without its custom sections: names of functions, notes of the compiler.  Raises CodeError."""
    reader = Reader(code)
    kept = [reader.take(_HEADER_SIZE)]
    while not reader.at_end:
        start = reader.position
        number = reader.byte()
        reader.take(reader.unsigned())
        if number != _CUSTOM:
            kept.append(code[start : reader.position])
    return b"".join(kept)
