"""The import contracts hold what they promise: each planted violation breaks the contract that forbids it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

MODULES = [
    "cli",
    "commands",
    "testing",
    "sdk",
    "issuer.errors",
    "issuer.files",
    "issuer.records.resident",
    "issuer.keys.keystore",
    "issuer.ledger.ledger",
    "issuer.authority.authority",
    "issuer.municipal.services",
    "issuer.faces.face",
    "issuer.jpki.authority",
    "issuer.keys.pkcs11library",
    "issuer.line.plan",
    "issuer.bureau.workshop",
    "issuer.counter.handover",
    "issuer.operators.session",
    "reader.emulator",
    "reader.pcsc",
    "card.card",
    "securechannel.scp03",
    "iso7816.apdu",
    *(
        f"applets.{name}.{module}"
        for name in (
            "gp",
            "juki",
            "library",
            "folder",
            "vending",
            "points",
            "operator",
            "jpki",
            "faceverification",
            "shared",
        )
        for module in ("layout", "applet", "client")
    ),
    "applets.wasm.engine",
    "applets.service.client",
]

ISSUER = "Inside the issuer, imports point down only"
LAYERS = "Imports point down only; issuer and reader do not know each other"
HOST_SIDE = "The host side imports neither the card nor any applet"
SANS_IO = "Below the adapters: no input or output, no clock, no randomness of its own"
APPLETS = "No applet imports another, except the security domains"
PYSCARD = "pyscard is imported in one file"
WASMTIME = "wasmtime is imported in one file"
PKCS11 = "python-pkcs11 is imported in the two files of its key store"
SQLALCHEMY = "SQLAlchemy is imported in the ledger only"

ALLOWED = [
    ("issuer.authority.authority", "jukicard.applets.juki.client"),
    ("applets.juki.applet", "jukicard.card.card"),
    ("applets.juki.applet", "jukicard.applets.gp.applet"),
    ("applets.library.client", "jukicard.applets.gp.client"),
    ("reader.emulator", "jukicard.card.card"),
    ("reader.pcsc", "smartcard.System"),
    ("applets.wasm.engine", "wasmtime"),
    ("applets.wasm.engine", "jukicard.applets.gp.layout"),
    ("sdk", "jukicard.applets.wasm.engine"),
    ("issuer.ledger.ledger", "sqlalchemy.orm"),
    ("issuer.keys.pkcs11store", "pkcs11.util.ec"),
    ("issuer.keys.pkcs11library", "pkcs11"),
    ("issuer.jpki.authority", "jukicard.issuer.authority.authority"),
    ("issuer.line.plan", "jukicard.issuer.jpki.authority"),
    ("issuer.counter.handover", "jukicard.issuer.line.plan"),
    ("issuer.authority.authority", "datetime"),
    ("securechannel.scp03", "cryptography.x509"),
    ("cli", "jukicard.commands"),
]

VIOLATIONS = [
    ("iso7816.apdu", "jukicard.card.card", LAYERS),
    ("card.card", "jukicard.reader.emulator", LAYERS),
    ("reader.emulator", "jukicard.cli", LAYERS),
    ("issuer.authority.authority", "jukicard.reader.emulator", LAYERS),
    ("reader.emulator", "jukicard.issuer.authority.authority", LAYERS),
    ("strangers", "json", LAYERS),
    ("issuer.authority.authority", "jukicard.card.card", HOST_SIDE),
    ("issuer.authority.authority", "jukicard.applets.gp.applet", HOST_SIDE),
    ("applets.juki.client", "jukicard.applets.juki.applet", HOST_SIDE),
    ("applets.library.layout", "jukicard.card.card", HOST_SIDE),
    *(
        (module, library, SANS_IO)
        for module, library in [
            ("iso7816.apdu", "os"),
            ("card.card", "time"),
            ("securechannel.scp03", "datetime"),
            ("applets.juki.applet", "random"),
            ("card.card", "secrets"),
            ("card.card", "socket"),
            ("applets.gp.client", "pathlib"),
            ("card.card", "threading"),
            ("iso7816.apdu", "click"),
            ("card.card", "logging"),
        ]
    ),
    ("applets.juki.applet", "jukicard.applets.library.layout", APPLETS),
    ("applets.gp.applet", "jukicard.applets.juki.layout", APPLETS),
    ("reader.emulator", "smartcard.System", PYSCARD),
    ("commands", "smartcard.System", PYSCARD),
    ("card.card", "wasmtime", WASMTIME),
    ("sdk", "wasmtime", WASMTIME),
    ("applets.wasm.engine", "time", SANS_IO),
    ("applets.library.applet", "jukicard.applets.wasm.engine", APPLETS),
    ("issuer.authority.authority", "jukicard.sdk", LAYERS),
    ("issuer.ledger.ledger", "jukicard.issuer.authority.authority", ISSUER),
    ("issuer.faces.face", "jukicard.issuer.line.plan", ISSUER),
    ("issuer.jpki.authority", "jukicard.issuer.line.plan", ISSUER),
    ("issuer.jpki.authority", "jukicard.issuer.municipal.services", ISSUER),
    ("issuer.line.plan", "jukicard.issuer.operators.session", ISSUER),
    ("issuer.operators.session", "jukicard.issuer.counter.handover", ISSUER),
    ("issuer.authority.authority", "sqlalchemy", SQLALCHEMY),
    ("issuer.keys.keystore", "pkcs11", PKCS11),
    ("issuer.authority.authority", "pkcs11.util.ec", PKCS11),
]


def add_import(package: Path, module: str, imported: str) -> None:
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in [path.parent, *path.parent.parents]:
        (folder / "__init__.py").touch()
        if folder == package:
            break
    with path.open("a") as file:
        file.write(f"import {imported}\n")


def broken_contracts(project: Path) -> set[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    code = "from importlinter.cli import lint_imports_command as main; main()"
    command = [sys.executable, "-c", code, "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    broken = set(re.findall(r"^(.*) BROKEN\b", done.stdout, re.MULTILINE))
    assert bool(broken) == bool(done.returncode), done.stdout + done.stderr
    assert "KEPT" in done.stdout, done.stdout + done.stderr
    return broken


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with modules of the contracts' names and nothing in them but allowed imports."""
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for module in MODULES:
        add_import(tmp_path / "jukicard", module, "dataclasses")
    for module, imported in ALLOWED:
        add_import(tmp_path / "jukicard", module, imported)
    return tmp_path


def test_allowed_imports_keep_every_contract(project: Path) -> None:
    assert broken_contracts(project) == set()


@pytest.mark.parametrize(("module", "imported", "contract"), VIOLATIONS)
def test_violation_breaks_its_contract(project: Path, module: str, imported: str, contract: str) -> None:
    add_import(project / "jukicard", module, imported)
    assert contract in broken_contracts(project)
