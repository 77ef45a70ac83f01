"""A PostgreSQL server of the tests' own: in a temporary directory, on a private socket, without a network port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER, ROLE = "books_owner", "books_writer"
_SECONDS = 60
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",  # the tests take no power away from it
    "shared_buffers=16MB",
    "max_connections=30",
)


def program(name: str) -> str:
    """A program of PostgreSQL's: Debian keeps the server's off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [shutil.which(name)]
    if found[-1] is None:
        raise FileNotFoundError(f"{name}: the package postgresql is missing")
    return os.fspath(found[-1])


class Server:
    """One cluster; `start` and `stop` may be called again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._as: list[str] = []
        if os.getuid() == 0:  # the server refuses to run as root
            user = pwd.getpwnam("postgres")
            self._as = ["runuser", "-u", "postgres", "--"]
            os.chown(folder, user.pw_uid, user.pw_gid)
        folder.chmod(0o700)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, f"unix_socket_directories={folder}"))
        self._options = ("-D", self._data, "-l", folder / "log", "-w", "-t", _SECONDS, "-o", options)

    def start(self) -> None:
        self._run("pg_ctl", "start", *self._options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-D", self._data, "-m", "immediate", "-w", "-t", _SECONDS)

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres", role: str = "postgres") -> str:
        """Run SQL as somebody, by PostgreSQL's own client."""
        arguments = ("-h", self.folder, "-U", role, "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc", statement)
        return self._run("psql", *arguments)

    def new_database(self, name: str) -> str:
        """Make an empty database that OWNER owns, and return its name."""
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER}")
        return name

    def _run(self, name: str, *arguments: object) -> str:
        command = [*self._as, program(name), *map(str, arguments)]
        with tempfile.TemporaryFile() as out:  # a server that goes on holds no pipe of ours
            done = subprocess.run(command, cwd="/", stdout=out, stderr=out, timeout=2 * _SECONDS, check=False)
            out.seek(0)
            text = out.read().decode(errors="replace")
        if done.returncode:
            raise RuntimeError(f"{name}: {text}")
        return text.strip()


@contextmanager
def running() -> Iterator[Server]:
    """A server with the two roles, for as long as the context lasts."""
    folder = Path(tempfile.mkdtemp(prefix="jukipg-"))
    try:
        server = Server(folder)
        server.start()
        try:
            for role in (OWNER, ROLE):
                server.sql(f"CREATE ROLE {role} LOGIN")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
