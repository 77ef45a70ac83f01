"""SoftHSM's tokens, in a directory of their own.

One process has one configuration of SoftHSM, which it reads when the library starts. So each test process has one
directory of tokens, made when the first test asks for it, and each test its own tokens in it. Commands that run as
processes of their own get the same by `environment`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jukicard.issuer.keys.places import Token

PIN = "246813"
WRONG_PIN = "999999"
_SO_PIN = "so-13579"
_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


@cache
def library() -> str:
    """SoftHSM's library; scripts/system-packages has put it there."""
    return next(path for path in _LIBRARIES if Path(path).exists())


@dataclass(frozen=True)
class Tokens:
    """A directory of tokens and the configuration that names it."""

    folder: Path

    @classmethod
    def below(cls, folder: Path) -> Tokens:
        """Make both."""
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        return cls(folder)

    @property
    def environment(self) -> dict[str, str]:
        """What leads SoftHSM there."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def new(self, label: str) -> Token:
        """Make a token."""
        before = set(self._directories())
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", _SO_PIN, "--pin", PIN]
        subprocess.run(command, env={**os.environ, **self.environment}, check=True, capture_output=True)
        (made,) = set(self._directories()) - before
        return Token(library(), label, made.replace("-", "")[-16:])

    @contextmanager
    def removed(self, token: Token) -> Iterator[None]:
        """Take a token away for the time of the block."""
        (name,) = (n for n in self._directories() if n.replace("-", "").endswith(token.serial))
        here, aside = self.folder / "tokens" / name, self.folder / name
        here.rename(aside)
        try:
            yield
        finally:
            aside.rename(here)

    def _directories(self) -> list[str]:
        return os.listdir(self.folder / "tokens")


@cache
def tokens() -> Tokens:
    """This process's."""
    folder = Path(tempfile.mkdtemp(prefix="juki-tokens-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = Tokens.below(folder)
    os.environ.update(made.environment)
    return made
