"""What anybody may see of a card, at no cost, whosever card it is.  Run it where issue.py has run, or name a reader.

`python read_public.py pcsc:` reads the card in the only PC/SC reader.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jukicard import CommandAPDU, open_reader, read_public, send

spec = sys.argv[1] if len(sys.argv) > 1 else f"emulator:{next(Path('out').glob('*.juki'))}"
with open_reader(spec, home="home") as reader:
    print(json.dumps(read_public(reader), ensure_ascii=False, indent=2))
    answer = send(reader, CommandAPDU(0x00, 0xA4, 0x04, 0x00, ne=256))  # and commands of your own
    print("SELECT:", answer.sw, f"{len(answer.data)} bytes")
