"""Card, terminal and holder prove themselves to each other.  Run it where issue.py has run.

With an argument, the card is taken from that reader: `python authenticate.py pcsc:`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jukicard import (
    Authority,
    CardFileError,
    HostError,
    IssuerError,
    PasswordWrong,
    ReaderSpecError,
    authenticate,
    open_reader,
)

AUTHORITY_PASSWORD = "choose a better one"  # noqa: S105 - of invented people; in earnest, ask for it: getpass.getpass()
HOLDER_PASSWORD = "2468"  # noqa: S105

spec = sys.argv[1] if len(sys.argv) > 1 else f"emulator:{next(Path('out').glob('*.juki'))}"
try:
    with Authority.open(Path("home"), AUTHORITY_PASSWORD) as authority, open_reader(spec, home="home") as reader:
        result = authenticate(reader, authority, HOLDER_PASSWORD, report=lambda proof: print("ok", proof.step))
except PasswordWrong as error:
    sys.exit(f"wrong password, {error.tries_left} tries left")
except (HostError, IssuerError, CardFileError, ReaderSpecError) as error:
    sys.exit(f"refused: {error}")
print("the resident code:", result.resident_code)  # masked; result.resident_code.reveal() gives the digits
