"""A process of its own with file systems that nobody else sees: a small disk that runs full, one that is read-only.

    result = in_private_mounts(lambda: ...)      # what it returns must be JSON

Needs root, or a kernel that lets users have name spaces of their own; `Unavailable` is raised elsewhere.
"""

from __future__ import annotations

import ctypes
import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_UNAVAILABLE = 77
_libc = ctypes.CDLL(None, use_errno=True)


class UnavailableError(Exception):
    """This machine gives us no file systems of our own."""


def in_private_mounts(act: Callable[[], Any]) -> Any:
    """Run `act` in a forked process that may mount; return what it returns.  AssertionError if it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                _separate()
            except OSError:
                os._exit(_UNAVAILABLE)
            with os.fdopen(writing, "w") as pipe:
                json.dump(act(), pipe)
        except BaseException:  # noqa: BLE001 - a child may not fall back into pytest
            os.write(2, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == _UNAVAILABLE:
        raise UnavailableError
    assert code == 0, "see standard error"
    return json.loads(told)


def mount_small_disk(folder: Path, size: int) -> None:
    """Put an empty disk of so many bytes at the folder."""
    _mount("tmpfs", folder, "tmpfs", 0, f"size={size},mode=700")


def make_read_only(folder: Path) -> None:
    """Nothing below the folder can be written any more."""
    _mount(str(folder), folder, "", _BIND)
    _mount(str(folder), folder, "", _BIND | _REMOUNT | _READ_ONLY)


def _separate() -> None:
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(_NEW_MOUNTS if user == 0 else _NEW_MOUNTS | _NEW_USER):
        raise OSError(ctypes.get_errno(), "no name space")
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("none", Path("/"), "", _RECURSIVE | _PRIVATE)


def _mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    if _libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, options.encode()):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))
