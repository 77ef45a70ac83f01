"""Makes the golden card files of the present schema.  Run once per schema; a file that is there is never made again.

python -m tests.golden.cardfile.make
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from jukicard.reader.cardfile import CardFile, derive_storage_key, new_exported_id
from jukicard.reader.cardfile.sealing import SCHEMA
from tests.support.issued import PASSWORD, Offices, Stage

HERE = Path(__file__).parent
PASSPHRASE = "golden passphrase \u304b\u3099"  # not normalised: が in two parts


def main() -> None:
    """Write what is not there."""
    key = bytes(range(0x40, 0x60))
    if not (HERE / f"schema-{SCHEMA}.json").exists():
        invented(key)
    if not (HERE / f"schema-{SCHEMA}-active.json").exists():
        issued_card(key)


def issued_card(key: bytes) -> None:
    """Write schema-N-active.juki, for which the dialogues of tests/conformance are, and schema-N-active.json."""
    card_id = b"golden active card, %d\x00\xff" % SCHEMA
    with tempfile.TemporaryDirectory() as folder:
        office = Offices(Path(folder, "offices")).at(Stage.ACTIVE, Path(folder))
        CardFile.create(HERE / f"schema-{SCHEMA}-active.juki", key, office.cells, card_id=card_id).close()
        about = {
            "storage_key": key.hex(),
            "card_id": card_id.hex(),
            "cells": {name: content.hex() for name, content in office.cells.items()},
            "password": PASSWORD,
            "resident_code": office.code,
            "serial": office.card_state.serial,
            "national_root": office.authority.national_root.hex(),
            "terminal": office.authority.export_terminal("counter", with_key=True).decode(),
        }
        office.close()
    (HERE / f"schema-{SCHEMA}-active.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")


def invented(key: bytes) -> None:
    """Write schema-N.juki (closed), schema-N-killed.juki with its log, and schema-N.json with key and contents."""
    card_id = b"golden card, %d\x00\xff" % SCHEMA
    closed, killed, working = (HERE / f"schema-{SCHEMA}{end}.juki" for end in ("", "-killed", "-working"))
    cells = {f"golden/{n:02}": bytes([n]) * (n * n) for n in range(30)} | {
        "empty": b"",
        "x" * 200: b"longest name",
    }
    with CardFile.create(working, key, cells, card_id=card_id) as card:
        card.commit({"golden/03": None, "tries": b"\x03", "large": bytes(range(256)) * 20})
        card.commit({"tries": b"\x02"}, durable=False)
        card.commit({"golden/04": b"rewritten"})
        contents = card.snapshot()
    shutil.copy(working, closed)
    with CardFile.open(working, key) as card:
        card.commit({"tries": b"\x01"})
        card.commit({"tries": b"\x00", "added": b"in the log only"})
        in_the_log = {name: content for name, content in card.snapshot().items() if contents.get(name) != content}
        for end in ("", "-wal"):
            shutil.copy(f"{working}{end}", f"{killed}{end}")
    working.unlink()
    exported = new_exported_id(lambda size: bytes(range(size)))
    path = HERE / f"schema-{SCHEMA}-exported.juki"
    CardFile.create(path, derive_storage_key(PASSPHRASE, exported), contents, card_id=exported).close()
    about = {
        "storage_key": key.hex(),
        "card_id": card_id.hex(),
        "passphrase": PASSPHRASE,
        "closed": {name: content.hex() for name, content in contents.items()},
        "killed": {name: content.hex() for name, content in in_the_log.items()},
    }
    (HERE / f"schema-{SCHEMA}.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
