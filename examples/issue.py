"""A municipality's authority, a card from a resident's record, and its handover.  Run it in an empty folder.

It leaves the authority in home/ and the card in out/, for authenticate.py and read_public.py.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from jukicard import Authority, City, hand_over, issue, load_record, open_reader

RECORD = Path(__file__).parent / "residents" / "taro.json"
AUTHORITY_PASSWORD = "choose a better one"  # noqa: S105 - of invented people; in earnest, ask for it: getpass.getpass()
HOLDER_PASSWORD = "2468"  # noqa: S105

with Authority.init(Path("home"), City("99201", "見本市"), AUTHORITY_PASSWORD, today=date.today()) as authority:
    record = load_record(RECORD, authority)
    card = issue(record, authority, out="out", services=["library"])
    with open_reader(f"emulator:{card.card}", home="home") as reader:
        state = hand_over(reader, authority, HOLDER_PASSWORD)
print(f"card {card.serial} in {card.card}: {state.status}, valid until {card.expires}")
