"""`juki` commands killed (SIGKILL) before their n-th lasting act: a commit, a new name, a file opened to write.

    with Commands(folder) as commands:
        whole = commands.run(words, environment)          # whole.acts: how many lasting acts it took
        commands.run(words, environment, kill_at=7)       # dies before its 7th

Every command is a process of its own, forked by a small server that has imported everything already. What stands on the
disk between two acts does not change, so that killing before each of them finds every state that a kill can leave.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

REPOSITORY = Path(__file__).parents[2]
_RENAMES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link"})
_WRITES = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REPLACE", "VACUUM")


@dataclass(frozen=True)
class Ended:
    """A command that has ended: by its exit code (-9: killed), with this many lasting acts if it came to its end."""

    code: int
    stdout: str
    stderr: str
    acts: int | None

    @property
    def facts(self) -> dict[str, Any]:
        """Its JSON."""
        facts: dict[str, Any] = json.loads(self.stdout)
        return facts


class Commands:
    """The server, and what it is asked."""

    def __init__(self, folder: Path) -> None:
        self._out, self._err, self._acts = (folder / name for name in ("stdout", "stderr", "acts"))
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        watched: Path,
        kill_at: int | None = None,
        at: dt.datetime | None = None,
    ) -> Ended:
        """Run `juki` with these words; acts below the folder `watched` count. `at`: what its clock shows."""
        request = {
            "words": list(words),
            "environment": dict(environment),
            "watched": str(watched),
            "kill_at": kill_at,
            "at": None if at is None else at.isoformat(),
            "files": [str(self._out), str(self._err), str(self._acts)],
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._acts.unlink(missing_ok=True)
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        acts = int(self._acts.read_text()) if self._acts.exists() else None
        return Ended(code, self._out.read_text(), self._err.read_text(), acts)


class Acts:
    """Counts what lasts, and kills this process before the one with the number `kill_at`."""

    def __init__(self, watched: str, kill_at: int | None) -> None:
        self.count = 0
        self._watched = watched
        self._kill_at = kill_at

    def act(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See sys.addaudithook: called before the system is."""
        if event in _RENAMES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            path = arguments[0]
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._watched):
                self.act()

    def install(self) -> None:
        """Watch this process from now on."""
        acts = self

        class Cursor(sqlite3.Cursor):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                verb = sql.lstrip().split(maxsplit=1)[0].upper()
                if verb in ("COMMIT", "END") or (verb in _WRITES and not self.connection.in_transaction):
                    acts.act()
                return super().execute(sql, *parameters)

        class Connection(sqlite3.Connection):
            def cursor(self, factory: Any = None) -> Any:
                return super().cursor(factory or Cursor)

            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                cursor: sqlite3.Cursor = self.cursor().execute(sql, *parameters)
                return cursor

            def commit(self) -> None:
                if self.in_transaction:
                    acts.act()
                super().commit()

            def close(self) -> None:  # the log goes into the file
                acts.act()
                super().close()

        connect = sqlite3.connect

        def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return connect(*arguments, **{"factory": Connection, **options})

        sqlite3.connect = sqlite3.dbapi2.connect = watched  # type: ignore[attr-defined]
        sys.addaudithook(self.audit)


def _child(request: dict[str, Any]) -> int:
    from jukicard.cli import juki
    from jukicard.commands.session import Session, World
    from tests.support.issued import clock, ticking

    out, err, acts_file = request["files"]
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    for name in ("JUKI_HOME", "JUKI_READER"):
        os.environ.pop(name, None)
    os.environ.update(request["environment"])
    acts = Acts(request["watched"], request["kill_at"])
    acts.install()
    now = clock() if request["at"] is None else ticking(dt.datetime.fromisoformat(request["at"]))
    code = 0
    try:
        juki.main(request["words"], obj=Session(World(now=now)))
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 70
    except BaseException:  # noqa: BLE001  whatever it is, the test must see it
        traceback.print_exc()
        code = 99
    Path(acts_file).write_text(str(acts.count))
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _import_everything() -> None:
    from jukicard.cli import NOUNS
    from jukicard.commands.lazy import Lazy

    for entry in NOUNS.values():
        for command in (entry,) if isinstance(entry, Lazy) else entry.table.values():
            if isinstance(command, Lazy):
                command.load()
    __import__("jukicard.issuer.ledger.ledger")
    __import__("jukicard.reader.chips")
    __import__("tests.support.issued")


def serve() -> None:
    """Fork a process for each request on standard input, and answer its exit code."""
    _import_everything()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_child(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
