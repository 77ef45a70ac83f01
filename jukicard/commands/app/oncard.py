"""`juki app load`, `list`, `install`, `delete`, `info` and `call`: the municipality's applications on a card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jukicard.applets.gp.client import ApplicationClient, DomainClient
from jukicard.applets.gp.layout import (
    MUNICIPAL_CODE_PREFIX,
    MUNICIPAL_SERVICE_PREFIX,
    municipal_domain_aid,
)
from jukicard.commands.app.approving import described
from jukicard.commands.asking import confirm
from jukicard.commands.options import home_option, json_option, print_facts, reader_option, terminal_option
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.service import authority_and_card, open_as, opened
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.aid import AID
from jukicard.iso7816.apdu import CommandAPDU, ResponseAPDU
from jukicard.iso7816.connection import CardConnection, send
from jukicard.iso7816.wrappers import standard
from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.line.cardkeys import CardKeyring
from jukicard.issuer.municipal.approvals import Application

if TYPE_CHECKING:
    from jukicard.applets.gp.statuses import LoadFileEntry, StatusEntry
    from jukicard.reader.spec import ReaderSpec

APPLICATIONS = 0x40
_STATES = {0x03: "installed", 0x07: "selectable", 0x0F: "personalized"}
_LOCKED = 0x80


class NameParameter(click.ParamType[AID]):
    """An AID, in hexadecimal digits."""

    name = "aid"

    def convert(self, value: str | AID, param: click.Parameter | None, ctx: click.Context | None) -> AID:
        """Read it."""
        if isinstance(value, AID):
            return value
        try:
            return AID.from_hex(value)
        except ValueError as error:
            self.fail(f"{value!r} is no AID: {error}", param, ctx)


APPLICATION_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NAME = NameParameter()


@click.command
@click.argument("application", type=APPLICATION_FILE)
@reader_option
@authority_password
@home_option
@json_option
@pass_session
def load(session: Session, application: Path, reader: ReaderSpec, authority_password: Source, as_json: bool) -> None:
    """Load an approved application's code onto a card.

    It goes into the municipality's domain, over that domain's secure channel. The card verifies the signatures, the
    purpose and the code itself before a byte of it is kept. `juki app install` makes an application of it.

    \b
    Examples:
      juki app load stamps/build/stamps.approved --reader emulator:out/799201000000001.juki
      juki app load stamps.approved --reader pcsc: --json
    """
    approved = Application.parse(application.read_bytes())
    with _domain(session, reader, authority_password) as (authority, domain):
        approval = approved.approved_by(authority)
        structure = approved.structure
        domain.install_for_load(approved.load_file, digest=structure.digest, approval=approved.approval)
        domain.load(structure.encode())
    facts = {"loaded": str(approved.load_file), **described(approved, approval.limits), "purpose": approval.purpose}
    print_facts(facts, as_json=as_json)


@click.command("list")
@reader_option
@authority_password
@home_option
@json_option
@pass_session
def list_(session: Session, reader: ReaderSpec, authority_password: Source, as_json: bool) -> None:
    """List the applications and load files in the municipality's domain of a card.

    \b
    Example:
      juki app list --reader pcsc: --json
    """
    with _domain(session, reader, authority_password) as (_, domain):
        own = [entry for entry in domain.status(APPLICATIONS) if entry.aid != domain.aid]
        files = [file for file in domain.load_files() if file.domain == domain.aid]
    if as_json:
        listed = {"applications": [_application(entry) for entry in own], "load_files": [_file(file) for file in files]}
        print_facts(listed, as_json=True)
        return
    for entry in own:
        click.echo(f"{entry.aid}  {_state(entry.state):12}  of {entry.load_file}")
    for file in files:
        click.echo(f"{file.aid}  load file     version {file.version}, modules {', '.join(map(str, file.modules))}")


@click.command
@click.argument("load_file", type=NAME)
@click.option("--module", type=NAME, help="The module (else the only one of the load file).")
@click.option("--aid", type=NAME, help="The application's name (else that of the service; else the module's).")
@click.option("--parameters", metavar="HEX", default="", help="The application's own installation parameters.")
@reader_option
@authority_password
@home_option
@json_option
@pass_session
def install(
    session: Session,
    load_file: AID,
    module: AID | None,
    aid: AID | None,
    parameters: str,
    reader: ReaderSpec,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Install an application of a loaded file, if the holder wants it.

    \b
    Examples:
      juki app install F04A554B490599201F1000 --reader pcsc:
      juki app install F04A554B490599201F1000 --parameters 31323334 --reader pcsc: --json
    """
    own = _hex(parameters, "--parameters")
    with _domain(session, reader, authority_password) as (_, domain):
        chosen = module or _only_module(domain, load_file)
        name = aid or usual_name(load_file, chosen)
        domain.install(chosen, name, parameters=own, load_file=load_file)
    print_facts({"installed": str(name), "load_file": str(load_file), "module": str(chosen)}, as_json=as_json)


@click.command
@click.argument("aid", type=NAME)
@click.option("--related", is_flag=True, help="Of a load file: with all the applications made of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@reader_option
@authority_password
@home_option
@json_option
@pass_session
def delete(
    session: Session,
    aid: AID,
    related: bool,
    yes: bool,
    reader: ReaderSpec,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Delete an application, or a load file, with everything that it has stored.

    \b
    Examples:
      juki app delete F04A554B490399201F1000 --reader pcsc:
      juki app delete F04A554B490599201F1000 --related --yes --reader pcsc:
    """
    if not yes:
        what = f"{aid} and all applications made of it" if related else str(aid)
        confirm(f"{what} will be deleted from the card in {reader}, with all data. Go on?", "nothing was deleted")
    with _domain(session, reader, authority_password) as (_, domain):
        domain.delete(aid, related=related)
    print_facts({"deleted": str(aid)}, as_json=as_json)


@click.command
@click.argument("application", type=APPLICATION_FILE)
@home_option
@json_option
@authority_password
@pass_session
def info(session: Session, application: Path, authority_password: Source, as_json: bool) -> None:
    """Show what an application file is, and what the municipality has approved of it.

    \b
    Example:
      juki app info stamps/build/stamps.approved
    """
    found = Application.parse(application.read_bytes())
    facts: dict[str, object] = {
        "load_file": str(found.load_file),
        "modules": [f"{module.aid} ({module.label})" for module in found.data_block.modules],
        "version": found.data_block.version,
        "size": len(found.structure.data_block),
        "digest": found.structure.digest.hex(),
        "approved": bool(found.approval),
    }
    if found.approval:
        with session.authority(authority_password.read()) as authority:
            approval = found.approved_by(authority)
        limits = described(found, approval.limits)
        facts |= {"purpose": approval.purpose, "municipality": approval.municipality, **limits}
    print_facts(facts, as_json=as_json)


@click.command
@click.argument("aid", type=NAME)
@click.argument("commands", metavar="APDU...", nargs=-1, required=True)
@terminal_option(None)
@reader_option
@authority_password
@home_option
@json_option
@pass_session
def call(
    session: Session,
    aid: AID,
    commands: tuple[str, ...],
    terminal: str | None,
    reader: ReaderSpec,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Select an application and send it commands, in the clear or as a terminal of the municipality.

    With --terminal a secure channel is opened first (SCP11a), and the commands go through it.

    \b
    Examples:
      juki app call F04A554B490399201F1000 00100000 --reader pcsc:
      juki app call F04A554B490399201F1000 00120000 --terminal municipal-service --reader pcsc:
    """
    asked = [CommandAPDU.parse(_hex(command, "APDU")) for command in commands]
    if terminal is None:
        with session.card(reader) as connection, connection.transaction():
            answers = _answers(_selected(connection, aid), asked)
    else:
        with opened(session, reader, terminal, authority_password) as (authority, connection):
            client = _selected(connection, aid)
            open_as(session, authority, client, terminal)
            answers = _answers(client, asked)
    if as_json:
        exchanges = zip(commands, answers, strict=True)
        facts = [{"command": sent, "data": got.data.hex(), "sw": f"{got.sw:04X}"} for sent, got in exchanges]
        print_facts({"application": str(aid), "answers": facts}, as_json=True)
        return
    for answer in answers:
        click.echo(" ".join(part for part in (answer.data.hex().upper(), f"{answer.sw:04X}") if part))


def _selected(connection: CardConnection, aid: AID) -> ApplicationClient:
    client = ApplicationClient(standard(connection), aid)
    client.select()
    return client


def _answers(client: ApplicationClient, commands: list[CommandAPDU]) -> list[ResponseAPDU]:
    return [send(client.connection, command) for command in commands]


def usual_name(load_file: AID, module: AID) -> AID:
    """Return what an application is called if nobody says otherwise: by its municipality and service, if its load file
    is, or like its module.
    """
    name = bytes(load_file)
    if name.startswith(MUNICIPAL_CODE_PREFIX):
        return AID(MUNICIPAL_SERVICE_PREFIX + name[len(MUNICIPAL_CODE_PREFIX) :])
    return module


@contextmanager
def _domain(session: Session, reader: ReaderSpec, password: Source) -> Iterator[tuple[Authority, DomainClient]]:
    """Open the municipality's domain on the card at hand, with its SCP03 keys."""
    with authority_and_card(session, reader, password) as (authority, connection):
        client = DomainClient(standard(connection), municipal_domain_aid(authority.city.code))
        client.select()
        client.open_scp03(CardKeyring(authority), session.world.random(8))
        yield authority, client


def _only_module(domain: DomainClient, load_file: AID) -> AID:
    modules = [
        module for file in domain.load_files(bytes(load_file)) if file.aid == load_file for module in file.modules
    ]
    if len(modules) != 1:
        raise RuleRefused(f"load file {load_file} has {len(modules)} modules here: --module says which one")
    return modules[0]


def _application(entry: StatusEntry) -> dict[str, object]:
    return {
        "aid": str(entry.aid),
        "state": _state(entry.state),
        "load_file": str(entry.load_file),
        "domain": str(entry.domain),
    }


def _file(file: LoadFileEntry) -> dict[str, object]:
    return {"aid": str(file.aid), "version": file.version, "modules": [str(module) for module in file.modules]}


def _state(state: int) -> str:
    return "locked" if state & _LOCKED else _STATES.get(state, f"{state:02X}")


def _hex(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise click.BadParameter("not an even number of hexadecimal digits", param_hint=what) from None
