"""A private pcscd with virtual readers, for tests that need the real PC/SC stack.

It runs in its own mount namespace with its own `/run`, configuration and ports, so that any number of
them can run side by side and none of them meets the machine's own pcscd. Needs Linux, the packages
`pcscd` and `vsmartcard-vpcd`, and either root or unprivileged user namespaces. What is missing is an
error that names the package, never a skipped test.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

DRIVER_FOLDERS = (Path("/usr/lib/pcsc/drivers/serial"), Path("/usr/local/lib/pcsc/drivers/serial"))
PORT_RANGE = range(20_000, 32_000, 2)  # below Linux's ephemeral ports; vpcd's second slot takes the next one
POLL_SECONDS = 0.01

# libpcsclite reads the socket's name once in a process's life. So this process's name is one for good, a
# link that leads to whichever private pcscd is in use, and otherwise nowhere: no test meets a real reader.
OWN_SOCKET = Path(tempfile.gettempdir()) / f"pcscd-of-{os.getpid()}.comm"
os.environ["PCSCLITE_CSOCK_NAME"] = str(OWN_SOCKET)


class PcscdUnavailableError(RuntimeError):
    """The machine lacks something that a private pcscd needs, or pcscd did not start."""


class PrivatePcscd:
    """Context manager: a pcscd of one's own with `readers` empty virtual readers.

    Inside the block: `ports` (one TCP port of 127.0.0.1 per reader, where a card connects),
    `reader_names` (as PC/SC lists them), `environment` (for client processes: the socket, a private
    HOME) and `home`. `use_here()` points this process's own PC/SC clients to it. The driver gives each
    reader a second slot, which stays empty: "Virtual PCD 0 00 01" beside "Virtual PCD 0 00 00".
    """

    def __init__(self, readers: int = 1, *, start_timeout: float = 15.0) -> None:
        self._count = readers
        self._start_timeout = start_timeout
        self._stack = contextlib.ExitStack()
        self.ports: tuple[int, ...] = ()

    @property
    def reader_names(self) -> tuple[str, ...]:
        """The names that PC/SC clients see, in the order of `ports`."""
        return tuple(f"Virtual PCD {index} 00 00" for index in range(self._count))

    @property
    def socket_path(self) -> Path:
        """pcscd's client socket as seen from outside its namespace."""
        return self.folder / "run" / "pcscd.comm"

    @property
    def home(self) -> Path:
        """A HOME of its own: pcsc_scan leaves files in `~/.cache` that would hide the system's list."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """The environment for a client process of this pcscd."""
        return {
            **os.environ,
            "PCSCLITE_CSOCK_NAME": str(self.socket_path),
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
        }

    @property
    def log(self) -> str:
        """What pcscd has printed so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process id of the running pcscd."""
        return self._process.pid

    def __enter__(self) -> Self:
        pcscd, driver = _find_pcscd(), _find_driver()
        # Under the system's temporary folder, not pytest's: a Unix socket's path holds 107 bytes at most.
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pcscd-")))
        try:
            self.ports = tuple(self._stack.enter_context(_reserved_port()) for _ in range(self._count))
            self._write_configuration(driver)
            self._start(pcscd)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def use_here(self) -> Iterator[None]:
        """Point PC/SC clients in this very process to this pcscd for the length of the block."""
        before = OWN_SOCKET.readlink() if OWN_SOCKET.is_symlink() else None
        _point_own_socket(self.socket_path)
        try:
            yield
        finally:
            _point_own_socket(before)

    def terminate(self) -> None:
        """End pcscd (also in mid-test, to see what its clients make of it); idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)

    def _write_configuration(self, driver: Path) -> None:
        for name in ("run", "conf", "home"):
            (self.folder / name).mkdir()
        entries = []
        for index, port in enumerate(self.ports):
            copy = self.folder / f"libifdvpcd{index}.so"  # two readers on one driver file hang
            shutil.copyfile(driver, copy)
            entries.append(
                f'FRIENDLYNAME "Virtual PCD {index}"\nDEVICENAME /dev/null:{port}\nLIBPATH {copy}\nCHANNELID {port}\n'
            )
        (self.folder / "conf" / "vpcd").write_text("\n".join(entries))

    def _start(self, pcscd: str) -> None:
        run, conf = (shlex.quote(str(self.folder / name)) for name in ("run", "conf"))
        script = (
            "set -e; mount -t tmpfs none /run; mkdir -p /run/pcscd; "
            f"mount --bind {run} /run/pcscd; exec setpriv --pdeathsig TERM {pcscd} -f -c {conf}"
        )
        namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        log: IO[bytes] = self._stack.enter_context((self.folder / "log").open("wb"))
        self._process = subprocess.Popen(  # noqa: S603 - the programs are the system's, the paths are quoted
            [*namespace, "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # ^C in the terminal is for pytest, which then ends pcscd in order
        )
        self._stack.callback(self.terminate)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout
        while not (self.socket_path.exists() and all(map(_listening, self.ports))):
            if self._process.poll() is not None:
                raise PcscdUnavailableError(
                    f"pcscd ended at once (status {self._process.returncode}); "
                    f"it needs root or unprivileged user namespaces: {self.log.strip()}"
                )
            if time.monotonic() > deadline:
                raise PcscdUnavailableError(f"pcscd not ready within {self._start_timeout} s: {self.log.strip()}")
            time.sleep(POLL_SECONDS)


def _point_own_socket(target: Path | None) -> None:
    OWN_SOCKET.unlink(missing_ok=True)
    if target is not None:
        OWN_SOCKET.symlink_to(target)


def _find_pcscd() -> str:
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("pcscd", path=search)
    if found is None:
        raise PcscdUnavailableError("pcscd is not installed: apt-get install pcscd")
    for tool in ("unshare", "setpriv"):
        if shutil.which(tool) is None:
            raise PcscdUnavailableError(f"{tool} is not installed: apt-get install util-linux")
    return found


def _find_driver() -> Path:
    for folder in DRIVER_FOLDERS:
        driver = folder / "libifdvpcd.so"
        if driver.exists():
            return driver.resolve()
    raise PcscdUnavailableError("the virtual reader's driver is not installed: apt-get install vsmartcard-vpcd")


def find_tool(name: str, package: str) -> str:
    """The path of a third-party client; an error names its Debian package when it is missing."""
    found = shutil.which(name)
    if found is None:
        raise PcscdUnavailableError(f"{name} is not installed: apt-get install {package}")
    return found


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """A pair of TCP ports (its first) that no other test process takes while the block lasts.

    pcscd binds the port itself, so it cannot be held open for it; a lock file keeps the neighbours away.
    """
    folder = Path(tempfile.gettempdir()) / f"pcscd-test-ports-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(PORT_RANGE, 200):
        with (folder / str(port)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            if not _listening(port) and not _listening(port + 1):
                yield port
                return
    raise PcscdUnavailableError("no free TCP port found")


def _listening(port: int) -> bool:
    """Whether someone listens on the port. Asked of the kernel: a trial connection would insert a card."""
    suffix, listen = f":{port:04X}", "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as lines:
            for line in lines:
                fields = line.split()
                if fields[1].endswith(suffix) and fields[3] == listen:
                    return True
    return False
