"""How often hosts do what: rows, applications, cards, terminals."""

from __future__ import annotations

from tests.fuzz import people

WEIGHTS = {
    # often: what a session is for
    "READ BINARY": 9.0,
    "READ RECORD": 6.0,
    "VERIFY": 6.0,
    "GET CHALLENGE": 4.0,
    "GET DATA": 4.0,
    "GET STATUS": 4.0,
    "UPDATE BINARY": 4.0,
    "STORE DATA": 1.5,
    "SELECT (file)": 4.0,
    "MANAGE CHANNEL (open)": 0.6,
    "MANAGE CHANNEL (close)": 0.4,
    "GET RESPONSE": 0.2,
    "DELETE": 0.8,
    "INSTALL [for make selectable]": 0.4,
    "INSTALL [for install (and make selectable)]": 1.0,
    "COMPARE BINARY": 1.0,
    # seldom: what ends a session, or after which not much goes any more, or which takes long
    "SELECT (application)": 0.3,
    "INITIALIZE UPDATE": 0.15,
    "EXTERNAL AUTHENTICATE": 0.15,
    "PERFORM SECURITY OPERATION (verify certificate)": 0.3,
    "MUTUAL AUTHENTICATE (SCP11a)": 0.2,
    "INTERNAL AUTHENTICATE (SCP11b)": 0.15,
    "INTERNAL AUTHENTICATE": 0.5,
    "GENERATE EC KEY": 0.3,
    "GENERATE ASYMMETRIC KEY PAIR": 0.7,
    "PUT KEY (EC key)": 0.7,
    "PUT KEY (AES key set)": 0.7,
    "CREATE FILE": 3.0,
    "SELECT (path)": 3.0,
    "PUT DATA (password, key)": 3.0,
    "MANAGE SECURITY ENVIRONMENT (SET)": 3.0,
    "DELETE FILE": 0.7,
    "DEACTIVATE FILE": 1.0,
    "TERMINATE EF": 0.4,
    "TERMINATE DF": 0.9,
    "TERMINATE DF (application)": 0.2,
    "ACTIVATE FILE (application)": 2.5,
    "DEACTIVATE FILE (application)": 0.3,
    "SET STATUS (card)": 0.15,
    "SET STATUS (application)": 0.4,
    "PUT DATA (new municipality)": 0.5,
    "CHANGE REFERENCE DATA": 1.5,
    "CHANGE REFERENCE DATA (initial password)": 1.0,
    "VERIFY (internal EF)": 6.0,
    "CHANGE REFERENCE DATA (internal EF)": 1.0,
    "COMPUTE DIGITAL SIGNATURE": 4.0,
    "CARRY OUT ORDER": 2.5,
    "PAY": 2.5,
    "FINISH PAYMENT": 2.5,
    "COUNT": 2.5,
    "LOCKER VERIFY": 3.0,
    "LOCKER TRAP": 0.5,
    "a loaded application's command": 0.005,  # of which there are some hundreds
}
DEFAULT_WEIGHT = 1.5
_FREE = ("GET CHALLENGE", "SELECT (file)", "MANAGE CHANNEL (open)", "MANAGE CHANNEL (close)", "GET RESPONSE")
_HOLDERS = ("READ BINARY", "VERIFY", "CHANGE REFERENCE DATA", *_FREE, "GET DATA", "INTERNAL AUTHENTICATE")
_OFFICES = (
    "COMPARE BINARY",
    "CHANGE REFERENCE DATA (initial password)",
    "CHANGE REFERENCE DATA (new only)",
    "RESET RETRY COUNTER",
    "ACTIVATE FILE (application)",
    "DEACTIVATE FILE (application)",
    "TERMINATE DF (application)",
    "PUT DATA (new municipality)",
)
_PURSE = ("CARRY OUT ORDER", "INVITE PAYMENT", "PAY", "RECEIVE PAYMENT", "FINISH PAYMENT", "CONFIRM PAYMENT")
_RECORDS = ("READ RECORD", "UPDATE RECORD", "APPEND RECORD")
_PERSONALISERS = (
    "READ BINARY",
    "UPDATE BINARY",
    "COMPARE BINARY",
    "GENERATE ASYMMETRIC KEY PAIR",
    "GENERATE ASYMMETRIC KEY PAIR (read public key)",
    "ACTIVATE FILE (application)",
    *_FREE,
)
SIGNING = "PERFORM SECURITY OPERATION (COMPUTE DIGITAL SIGNATURE)"
_READERS = ("READ BINARY", "GET DATA", *_FREE)
HANDSHAKES = (
    "SELECT (application)",
    "INITIALIZE UPDATE",
    "EXTERNAL AUTHENTICATE",
    "PERFORM SECURITY OPERATION (verify certificate)",
    "MUTUAL AUTHENTICATE (SCP11a)",
    "INTERNAL AUTHENTICATE (SCP11b)",
)
SUITED: dict[str, tuple[str, ...]] = {
    "juki, SCP11a": (*_HOLDERS, *_OFFICES),
    "juki, SCP03": _HOLDERS,
    "juki, personalising": _PERSONALISERS,
    "operator, SCP11a": (*_HOLDERS, *_OFFICES, SIGNING),
    "operator, SCP03": (*_HOLDERS, SIGNING),
    "operator, personalising": _PERSONALISERS,
    "library, SCP11a": (*_HOLDERS, *_OFFICES, *_RECORDS),
    "vending, SCP11a": (*_HOLDERS, *_OFFICES, *_RECORDS, "ISSUE CERTIFICATE"),
    "points, SCP11a": (*_HOLDERS, *_OFFICES, *_PURSE),
    "jpki, nobody": ("READ BINARY", *_FREE),
    "jpki, SCP03": ("READ BINARY", "RESET RETRY COUNTER", *_FREE),
    "jpki, personalising": _PERSONALISERS,
    "face, nobody": ("READ BINARY", *_FREE),
    "face, SCP03": ("READ BINARY", "RESET RETRY COUNTER", *_FREE),
    "shared, nobody": ("READ RECORD", *_FREE),
    "domain, SCP11a": _READERS,
    "domain, SCP11b": _READERS,
    "juki, SCP11b": _READERS,
    "library, SCP11b": _READERS,
    "library, SCP03": (*_READERS, "STORE DATA"),
}
"""Who, by application and session, has a use for which of the rows that the grammar knows; who is not here, for all."""
INTEREST = {
    "juki": 8,
    "operator": 10,
    "library": 6,
    "vending": 8,
    "points": 14,
    "jpki": 12,
    "face": 12,
    "shared": 2,
    "domain": 1,
    "counter": 4,
    "locker": 12,
}
"""How often an application is selected, by its kind."""
START_WEIGHTS = {
    "active": 4,
    "folder": 8,
    "furnished": 3,
    "delivered": 3,
    "personalisation": 3,
    "blank": 2,
    "services": 6,
    "operator": 5,
    "new operator": 4,
    "jpki": 4,
    "jpki like a juki card": 1,
    "new jpki": 2,
    "face A": 2,
    "face B": 2,
    "new face": 2,
    "face on its last try": 1,
    "approving": 8,
    "loaded": 7,
}
LEVELS = (0x33, 0x33, 0x33, 0x33, 0x01, 0x03, 0x11, 0x13)
JUKI_TERMINALS = (
    *("all",) * 12,
    *(name for name in people.terminals() if "library" not in name and name not in ("kiosk", "shop")),
)
CITY_TERMINALS = (
    *("library",) * 12,
    *("kiosk", "shop", "city all") * 4,
    "library later",
    "other library",
    "all",
)
