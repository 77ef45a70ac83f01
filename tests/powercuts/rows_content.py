"""The rows and flows of content management: load files, approvals, delegated management."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from jukicard.applets.gp import layout as gp
from jukicard.applets.gp.applet import SecurityDomain
from jukicard.applets.gp.client import DomainClient
from jukicard.applets.library import layout as library
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU
from jukicard.iso7816.connection import send
from jukicard.iso7816.errors import CardStatusError
from tests.powercuts.cards import Cells
from tests.powercuts.registry import Sending, flow, row
from tests.powercuts.rows_gp import gp_command
from tests.support import chips, content, loaded
from tests.support.chains import private_key
from tests.support.chips import Chip, say
from tests.support.content import DOMAIN, PROVIDER, SECOND, SERVICE

INSTALL, INSTALLED = "INSTALL [for install (and make selectable)]", AID(b"\xf0installed")
OTHER = AID(b"\xf0other")
BLOCK = loaded.block(2, 600).encode()
COUNTED = b"\0\2"


def approving() -> Cells:
    """SECURED, with a municipality that approves what it takes, and a provider's domain."""
    return content.secured_cells()


@lru_cache(maxsize=1)
def with_code() -> Cells:
    """The same with a load file, an application that has data, and one that is not selectable yet."""
    chip = content.with_code()
    content.client(chip).install(loaded.MODULE, INSTALLED, load_file=loaded.FILE, selectable=False)
    chip.select(SERVICE)
    say(chip, 0, 0x10, ne=2, sw=0x9000)
    say(chip, 0, 0x12, data=b"what is kept", sw=0x9000)
    return chip.cells


class _LastCommandError(Exception):
    """A client has come to the command that is cut."""

    def __init__(self, command: bytes) -> None:
        super().__init__()
        self.command = command


class _Until:
    """Passes the first commands of a client on to the card, and keeps the one after them."""

    def __init__(self, inner: object, count: int) -> None:
        self.inner = inner
        self.count = count
        self.atr, self.limits = b"", chips.Chip.limits

    def transmit(self, command: bytes) -> bytes:
        if not self.count:
            raise _LastCommandError(command)
        self.count -= 1
        return self.inner.transmit(command)  # type: ignore[attr-defined]


def last(domain: DomainClient, act: Callable[[DomainClient], object], before: int = 0) -> Sending:
    """The command that a client says after `before` others, in its session."""
    session = domain.connection
    domain.connection = _Until(session, before)  # type: ignore[assignment]
    try:
        act(domain)
    except _LastCommandError as found:
        return session, CommandAPDU.parse(found.command)
    raise AssertionError("the client says no such command")


def bring(domain: DomainClient, sign: Callable[[bytes], bytes] | None = None, signed: bytes = b"") -> None:
    whole = content.structure(BLOCK)
    approval = signed or content.approval(whole.digest, OTHER, 2)
    domain.install_for_load(OTHER, approval=approval, sign=sign)
    domain.load(whole.encode())


@row(SecurityDomain, "LOAD", on=approving)
def of_the_last_block(chip: Chip) -> Sending:
    return last(content.client(chip), bring, 1)


@row(SecurityDomain, "LOAD", on=approving)
def with_a_receipt(chip: Chip) -> Sending:
    return last(content.provider(chip), lambda domain: bring(domain, content.token), 1)


@row(SecurityDomain, "LOAD", on=approving)
def of_a_block_that_is_not_the_last(chip: Chip) -> Sending:
    session, announcement = last(content.client(chip), bring)
    assert send(session, announcement).sw == 0x9000
    return session, gp_command(0xE8, 0x00, 0x00, BLOCK[:200])


@row(SecurityDomain, "LOAD", on=approving, sw=0x6985)
def of_what_nobody_approved(chip: Chip) -> Sending:
    signed = content.approval(content.structure(BLOCK).digest, OTHER, 2, purpose="広告")
    return last(content.client(chip), lambda domain: bring(domain, signed=signed), 1)


@row(SecurityDomain, INSTALL, on=approving)
def of_an_approved_module_in_rom(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.install(library.MODULE, SECOND, approval=content.of_rom()))


@row(SecurityDomain, INSTALL, on=with_code)
def of_a_load_file(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.install(loaded.MODULE, SECOND, load_file=loaded.FILE, storage=100))


@row(SecurityDomain, INSTALL, on=approving)
def with_a_token(chip: Chip) -> Sending:
    approved = content.of_rom()
    return last(
        content.provider(chip), lambda d: d.install(library.MODULE, SECOND, approval=approved, sign=content.token)
    )


@row(SecurityDomain, INSTALL, on=approving)
def of_a_domain_with_a_reserve(chip: Chip) -> Sending:
    return last(
        content.client(chip), lambda d: d.install(gp.DOMAIN_MODULE, OTHER, 0xA00000, storage=0x1000, volatile=0x1000)
    )


@row(SecurityDomain, "INSTALL [for make selectable]", on=with_code)
def of_loaded_code(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.make_selectable(INSTALLED))


@row(SecurityDomain, "INSTALL [for extradition]", on=with_code)
def to_the_provider(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.extradite(SERVICE, PROVIDER))


@row(SecurityDomain, "INSTALL [for extradition]", on=with_code, sw=0x6985)
def to_somebody_else(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.extradite(SERVICE, chips.CITY_DOMAIN))


@row(SecurityDomain, "INSTALL [for registry update]", on=approving)
def of_a_domains_privileges(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.update_registry(PROVIDER, 0x800000))


@row(SecurityDomain, "DELETE", on=with_code)
def of_a_load_file_with_what_is_made_of_it(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.delete(loaded.FILE, related=True))


@row(SecurityDomain, "DELETE", on=with_code, sw=0x6985)
def of_a_load_file_in_use(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.delete(loaded.FILE))


@row(SecurityDomain, "PUT KEY (AES key)", on=approving)
def replaces_the_receipt_key(chip: Chip) -> Sending:
    key = content.encrypted(bytes(range(16)), content.KEYS.dek)
    return last(content.client(chip), lambda d: d.put_aes_key(gp.KID_RECEIPT, 2, key, replaces=1))


@row(SecurityDomain, "PUT KEY (EC key)", on=approving)
def replaces_the_approval_key(chip: Chip) -> Sending:
    key = private_key(3298).public_key()
    return last(content.client(chip), lambda d: d.put_public(gp.KID_APPROVAL, 1, key, replaces=1))


@row(SecurityDomain, "STORE DATA", on=approving)
def replaces_the_purposes(chip: Chip) -> Sending:
    return last(content.client(chip), lambda d: d.store_purposes(["駐輪場"]))


@row(SecurityDomain, "SET STATUS (application)", on=with_code)
def locks_a_domain_with_its_applications(chip: Chip) -> Sending:
    return last(content.issuer(chip), lambda d: d.set_status(DOMAIN, locked=True, with_applications=True))


# --- whole flows


def _unless_there(act: Callable[[], object], taken: int) -> None:
    try:
        act()
    except CardStatusError as refused:
        if refused.sw != taken:
            raise


def _loaded_code_runs(chip: Chip) -> None:
    assert chip.select(SERVICE).sw == 0x9000
    assert chip.ask("00 10 00 00 00").sw == 0x9000


@flow("loading and installing", on=approving, done=_loaded_code_runs)
def loading(chip: Chip) -> None:
    """INSTALL [for load], LOAD in blocks, INSTALL: whoever was interrupted sees from the list how far it came."""
    city = content.client(chip)
    if OTHER not in {file.aid for file in city.load_files()}:
        whole = content.structure(BLOCK).encode()
        city.install_for_load(OTHER, approval=content.approval(content.structure(BLOCK).digest, OTHER, 2))
        for number, start in enumerate(range(0, len(whole), 250)):
            p1 = 0x80 if start + 250 >= len(whole) else 0x00
            say(city.connection, 0x80, 0xE8, p1, number, whole[start : start + 250], sw=0x9000)
    _unless_there(lambda: city.install(loaded.MODULE, SERVICE, load_file=OTHER), 0x6A80)


def _nothing_of_it_is_there(chip: Chip) -> None:
    assert chip.select(SERVICE).sw == 0x6A82
    everything = b"".join(chip.cells.values())
    traces = (b"what is kept", bytes(loaded.FILE), bytes(loaded.MODULE), bytes(SERVICE), bytes(INSTALLED))
    assert not any(trace in everything for trace in traces)


@flow("deletion of a load file with its applications", on=with_code, done=_nothing_of_it_is_there)
def unloading(chip: Chip) -> None:
    _unless_there(lambda: content.client(chip).delete(loaded.FILE, related=True), 0x6A88)


def _it_came_back_with_its_data(chip: Chip) -> None:
    content.client(chip).set_status(SERVICE, locked=False)
    chip.select(SERVICE)
    assert chip.cells[next(cell for cell in chip.cells if cell.endswith("/kept"))] == b"what is kept"
    assert int.from_bytes(chip.ask("00 10 00 00 00").data) == int.from_bytes(COUNTED)


@flow("extradition to the provider and back", on=with_code, done=_it_came_back_with_its_data)
def there_and_back(chip: Chip) -> None:
    """The application is in one domain or in the other, never in none: the list tells where."""
    if SERVICE in {entry.aid for entry in content.client(chip).status(0x40) if entry.domain == DOMAIN}:
        content.client(chip).extradite(SERVICE, PROVIDER)
    content.provider(chip).extradite(SERVICE, DOMAIN, sign=content.token)
