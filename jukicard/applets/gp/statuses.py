"""What GET STATUS answers, as a host reads it (GP 2.3.1, 11.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.iso7816.aid import AID
from jukicard.iso7816.errors import MalformedResponse
from jukicard.iso7816.tlv import parse_tlvs

_AID, _STATE, _PRIVILEGES, _LOAD_FILE, _VERSION, _MODULE, _DOMAIN = 0x4F, 0x9F70, 0xC5, 0xC4, 0xCE, 0x84, 0xCC


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One application or security domain: life cycle state, privileges (3 bytes), what it is made of, where it lies."""

    aid: AID
    state: int
    privileges: bytes
    load_file: AID | None = None
    domain: AID | None = None


@dataclass(frozen=True, slots=True)
class LoadFileEntry:
    """One load file: its version, its modules as far as they were asked for, where it lies."""

    aid: AID
    version: int
    modules: tuple[AID, ...]
    domain: AID


def status_entries(data: bytes) -> list[StatusEntry]:
    """Read one answer about applications; MalformedResponse where an entry lacks its AID, state or privileges."""
    try:
        templates = [{child.tag: child.value for child in template.children} for template in parse_tlvs(data)]
        return [
            StatusEntry(
                AID(fields[_AID]),
                fields[_STATE][0],
                fields[_PRIVILEGES],
                AID(fields[_LOAD_FILE]) if _LOAD_FILE in fields else None,
                AID(fields[_DOMAIN]) if _DOMAIN in fields else None,
            )
            for fields in templates
        ]
    except (KeyError, IndexError, ValueError):  # a TlvError is a ValueError
        raise MalformedResponse("GET STATUS: an entry lacks its AID, state or privileges") from None


def load_file_entries(data: bytes) -> list[LoadFileEntry]:
    """Read one answer about load files; MalformedResponse where an entry lacks its AID, version or domain."""
    found = []
    try:
        for template in parse_tlvs(data):
            children = template.children
            fields = {child.tag: child.value for child in children}
            modules = tuple(AID(child.value) for child in children if child.tag == _MODULE)
            version = int.from_bytes(fields[_VERSION])
            found.append(LoadFileEntry(AID(fields[_AID]), version, modules, AID(fields[_DOMAIN])))
    except (KeyError, ValueError):  # a TlvError is a ValueError
        raise MalformedResponse("GET STATUS: a load file lacks its AID, version or domain") from None
    return found
