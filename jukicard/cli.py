"""The command `juki`: nouns and verbs, exit codes, JSON.  The commands themselves live in `commands`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from jukicard.commands import errors
from jukicard.commands.lazy import Lazy, LazyGroup
from jukicard.commands.session import Session

NOUNS: dict[str, Lazy | LazyGroup] = {
    "demo": Lazy("demonstration:demo", "Tell the whole story, with real files."),
    "chip": LazyGroup.of(
        "chip",
        "Blank chips, and card files on their way.",
        "juki chip new blank.juki",
        {
            "new": Lazy("chip:new", "Make a blank chip, as its maker delivers it."),
            "export": Lazy("chip:export", "Seal a copy of a card under a passphrase, for CI or a colleague."),
            "import": Lazy("chip:import_", "Seal a copy of an exported card with this home's storage key."),
            "accept": Lazy("chip:accept", "Take a card file as it is, though the home has seen a newer state of it."),
        },
    ),
    "authority": LazyGroup.of(
        "authority",
        "The municipality's issuing authority.",
        "juki authority init --city-code 99201 --city-name 見本市",
        {
            "init": Lazy("authority:init", "Set up a municipality's issuing authority."),
            "national": Lazy("authority:national", "Make a TEST national root that several municipalities share."),
            "rotate": Lazy("authority:rotate", "Make new master keys or a new CA; older cards stay served."),
            "ordinance": Lazy(
                "ordinance:ordinance", "Show or change the purposes that the municipality's ordinance allows."
            ),
        },
    ),
    "terminal": LazyGroup.of(
        "terminal",
        "Terminals: who may do what at a card.",
        "juki terminal list",
        {
            "new": Lazy("terminal:new", "Make a terminal: its key, and a certificate of what it may do."),
            "list": Lazy("terminal:list_", "List the terminals and their rights."),
            "export": Lazy("terminal:export", "Write a terminal's certificates, and its key if asked for, as PEM."),
        },
    ),
    "operator": LazyGroup.of(
        "operator",
        "Operators' cards: who may do what at the office.",
        "juki operator list",
        {
            "new": Lazy("operator:new", "Make an operator's card, and set its first password."),
            "list": Lazy("operator:list_", "List the operators, and what they may do."),
            "revoke": Lazy("operator:revoke", "Revoke an operator's card, for good: nobody logs in with it any more."),
            "show": Lazy("operator:show", "Show whose operator's card it is and what it may do, at no cost."),
            "password": Lazy("operator:password", "Change the password of an operator's card, whose operator logs in."),
        },
    ),
    "code": LazyGroup.of(
        "code",
        "Resident codes.",
        "juki code new --count 3 | juki code check",
        {
            "new": Lazy("code:new", "Make a fresh random resident code that nobody here has."),
            "check": Lazy("code:check", "Check the resident codes on standard input, one per line."),
        },
    ),
    "application": LazyGroup.of(
        "application",
        "Applications for cards, from the window to the order.",
        "juki application receive examples/residents/taro.json --face A",
        {
            "receive": Lazy(
                "application:receive",
                "Receive an application: its card gets its serial, and the record is kept sealed until the handover.",
            ),
            "examine": Lazy(
                "application:examine",
                "Examine an application: name, birth date, sex and address are the register's.",
            ),
            "enquire": Lazy(
                "application:enquire", "Note that a letter of enquiry (照会書) was sent to the applicant's address."
            ),
            "answer": Lazy(
                "application:answer", "Note that the applicant came back with the letter: the card can be made."
            ),
            "confirm": Lazy(
                "application:confirm",
                "Note by which document with a photo the applicant was identified: the card can be made the same day.",
            ),
            "refuse": Lazy("application:refuse", "Refuse an application; what is kept of the applicant is erased."),
            "withdraw": Lazy(
                "application:withdraw",
                "Withdraw an application, as the applicant wishes; what is kept of the applicant is erased.",
            ),
            "notice": Lazy(
                "application:notice", "Note that the applicant was told by letter (交付通知書) to fetch the card."
            ),
            "erase": Lazy(
                "application:erase",
                "Erase the personal data that are kept of a card's applicant, once the business is over.",
            ),
            "expire": Lazy(
                "application:expire",
                "Erase all personal data that have been kept for longer than a year, and give up what nobody goes on "
                "with.",
            ),
        },
    ),
    "braille": Lazy("braille:braille", "Show a name in braille, as a card would have it."),
    "issue": Lazy("issue:issue", "Issue one card from a resident's record, or from an application."),
    "face": LazyGroup.of(
        "face",
        "Cards' faces: sheets, printers, what a PDF really prints, and whether a chip vouches for it.",
        "juki face sheet cards --out sheet.pdf",
        {
            "sheet": Lazy(
                "face:sheet", "Put faces on sheets of A4, ten on each, with cut marks, for an office's printer."
            ),
            "print": Lazy(
                "face:print_", "Print faces on a printer of the system's (CUPS): card by card, or on sheets of A4."
            ),
            "check": Lazy(
                "face:check", "Read a face's PDF back and compare it with the resident's record, glyph by glyph."
            ),
            "verify": Lazy(
                "faceverify:verify",
                "Verify the face of a card (券面事項確認): its chip, its certificates and its print must say the same.",
            ),
            "unblock": Lazy(
                "faceunblock:unblock", "Give back the tries of the reference numbers (照合番号) of a card's face."
            ),
        },
    ),
    "handover": Lazy("handover:handover", "Hand a card over: its holder sets the password, and it becomes active."),
    "auth": Lazy("auth:auth", "Authenticate card, terminal and holder to each other, step by step."),
    "identify": Lazy(
        "identify:identify",
        "Identify a card's holder: the card proves itself, and its code leads to name, birth date, sex and address.",
    ),
    "card": LazyGroup.of(
        "card",
        "Cards at hand.",
        "juki card info --reader pcsc:",
        {
            "info": Lazy("cardinfo:info", "Show what anybody may read of a card, at no cost."),
            "suspend": Lazy(
                "cardlife:suspend", "Suspend a card that was reported lost: nobody can use it until it is resumed."
            ),
            "resume": Lazy("cardlife:resume", "Resume a suspended card, whose holder has it again."),
            "void": Lazy("cardlife:void", "Make a card void, for good, and on its chip too if it is at hand."),
            "endorse": Lazy(
                "cardbooks:endorse",
                "Note that a change was written and sealed on a card's back (追記): of address, name or alias (通称).",
            ),
            "destroy": Lazy("cardbooks:destroy", "Note that a void or spoilt card was destroyed."),
            "expire": Lazy("cardbooks:expire", "Make all cards void whose last day has passed, and list them."),
            "move": Lazy(
                "moving:move", "Take a card over whose holder has moved here, so that it is used on (継続利用)."
            ),
            "moved": Lazy(
                "moving:moved",
                "Note that a card's holder has moved away with it, as the new municipality tells (転入通知).",
            ),
        },
    ),
    "password": LazyGroup.of(
        "password",
        "The holder's password.",
        "juki password change --reader pcsc:",
        {
            "change": Lazy(
                "password:change", "Change the holder's password: the old one, then a new one, of 4 digits."
            ),
            "reset": Lazy(
                "password:reset",
                "Set a new password at the office, and give back all tries: for a holder who forgot it, or blocked it.",
            ),
        },
    ),
    "ledger": LazyGroup.of(
        "ledger",
        "The books: every card ordered, and what became of it.",
        "juki ledger list",
        {
            "list": Lazy("ledger:list_", "List the cards in the books, and how to go on with what is unfinished."),
            "show": Lazy("ledger:show", "Show what the books say of one card, entry by entry."),
            "verify": Lazy("ledger:verify", "Verify the whole ledger, and print its head."),
            "seal": Lazy("books:seal", "Let the authority sign for all entries, and print the head."),
            "reconcile": Lazy(
                "reconciling:reconcile",
                "Reconcile the blanks: received = issued + spoilt + in stock, and explain every difference.",
            ),
            "statistics": Lazy(
                "reconciling:statistics",
                "Count what a municipality publishes of its cards, month by month, without personal data.",
            ),
            "migrate": Lazy("books:migrate", "Bring the books up to this program's version."),
            "rebuild": Lazy(
                "books:rebuild", "Make the table of cards anew from the entries, where only that was damaged."
            ),
        },
    ),
    "stock": LazyGroup.of(
        "stock",
        "The stock of blank chips.",
        "juki stock list",
        {
            "receive": Lazy("stock:receive", "Enter a delivery of blank chips into the books."),
            "count": Lazy("stock:count", "Enter how many blanks of a delivery were counted by hand."),
            "discard": Lazy(
                "stock:discard",
                "Enter that blanks of a delivery were discarded, for example damaged ones, or are lost.",
            ),
            "list": Lazy("stock:list_", "List the deliveries, and what became of their chips."),
        },
    ),
    "batch": LazyGroup.of(
        "batch",
        "Many cards at a time.",
        "juki batch run residents.csv --out out/run --no-face",
        {
            "run": Lazy("batch.running:run", "Issue a card for each record of a CSV file."),
            "worker": Lazy(
                "batch.worker:worker", "Work for a Dask scheduler, until it ends: one process, one card at a time."
            ),
        },
    ),
    "app": LazyGroup.of(
        "app",
        "Municipal applications, from an empty folder to a card.",
        "juki app new stamps",
        {
            "new": Lazy(
                "app.making:new", "Begin an application: a folder with its source and a test, which work as they are."
            ),
            "build": Lazy(
                "app.making:build", "Build an application in C, with clang and lld, and check it as a card would."
            ),
            "test": Lazy("app.making:test", "Run an application's tests, each on a card of its own, with pytest."),
            "approve": Lazy(
                "app.approving:approve_",
                "Approve an application for a purpose of the ordinance: only then the municipality's cards take it.",
            ),
            "load": Lazy("app.oncard:load", "Load an approved application's code onto a card."),
            "list": Lazy(
                "app.oncard:list_", "List the applications and load files in the municipality's domain of a card."
            ),
            "install": Lazy("app.oncard:install", "Install an application of a loaded file, if the holder wants it."),
            "delete": Lazy(
                "app.oncard:delete", "Delete an application, or a load file, with everything that it has stored."
            ),
            "info": Lazy(
                "app.oncard:info", "Show what an application file is, and what the municipality has approved of it."
            ),
            "call": Lazy(
                "app.oncard:call",
                "Select an application and send it commands, in the clear or as a terminal of the municipality.",
            ),
        },
    ),
    "library": LazyGroup.of(
        "library",
        "The library card (図書館サービス), a municipal service.",
        "juki library list --reader pcsc:",
        {
            "list": Lazy("library:list_", "List the loans on a library card, with the holder's password."),
            "lend": Lazy("library:lend", "Lend an item (13 digits) to the card's holder, with the holder's password."),
            "return": Lazy("library:return_", "Take an item back."),
            "renew": Lazy("library:renew", "Lend an item for longer, with the holder's password."),
            "lose": Lazy(
                "library:lose", "Mark an item as lost: it can only be settled then, and two of them stop the lending."
            ),
            "settle": Lazy(
                "library:settle", "Settle a lost item with its holder, who replaced it, paid, or found it again."
            ),
            "password": Lazy("library:password", "Set the holder's password of this service at the office."),
        },
    ),
    "vending": LazyGroup.of(
        "vending",
        "Certificate vending (証明書自動交付), a municipal service.",
        "juki vending issue resident-record --reader pcsc:",
        {
            "list": Lazy(
                "vending:list_", "List the types of certificates that a card may have issued, and how many of each."
            ),
            "issue": Lazy(
                "vending:issue", "Have a certificate issued at a kiosk, with the holder's password (4 to 8 digits)."
            ),
            "log": Lazy(
                "vending:log", "List what was issued with a card last, the newest first, with the holder's password."
            ),
            "block": Lazy(
                "vending:block", "Block one type of certificate at the office; the others are issued as before."
            ),
            "allow": Lazy("vending:allow", "Let a type of certificate be issued again at the office, or more of it."),
            "password": Lazy("vending:password", "Set the holder's password of this service at the office."),
        },
    ),
    "points": LazyGroup.of(
        "points",
        "Community points (地域ポイント), a municipal service.",
        "juki points pay 120 --reader emulator:mine.juki --to emulator:yours.juki",
        {
            "show": Lazy("points:show", "Show the balance of a purse, at a shop's terminal."),
            "credit": Lazy("points:credit", "Credit points to a card, by an order that the points centre signs."),
            "debit": Lazy(
                "points:debit",
                "Take points from a card, by an order that the points centre signs, with the holder's password.",
            ),
            "pay": Lazy(
                "points:pay", "Pay points from one card (--reader) to another (--to), with the payer's password."
            ),
            "recover": Lazy(
                "points:recover_",
                "Bring an interrupted payment to its end, from the card that pays (--reader) to its payee (--to).",
            ),
            "password": Lazy("points:password", "Set the holder's password of this service at the office."),
        },
    ),
    "jpki": LazyGroup.of(
        "jpki",
        "Certificates of the public personal authentication (公的個人認証).",
        "juki jpki show --reader pcsc:",
        {
            "enrol": Lazy(
                "jpki.enrolling:enrol",
                "Make keys and certificates of the JPKI on an active card, whose holder chooses the passwords.",
            ),
            "show": Lazy(
                "jpki.using:show",
                "Show what a card's JPKI application says: tries left, certificates, with the password whose they are.",
            ),
            "sign": Lazy(
                "jpki.using:sign",
                "Sign a file with the card: a detached signature (CMS, DER), with the signer's certificate in it.",
            ),
            "verify": Lazy(
                "jpki.verifying:verify", "Verify a detached signature, and the signer's certificate up to its CA."
            ),
            "revoke": Lazy(
                "jpki.revoking:revoke", "Revoke the certificates of a card (SERIAL), or one of them, for good."
            ),
            "crl": Lazy(
                "jpki.revoking:crl",
                "Sign the revocation list of a CA, by what the books say now; it is valid for a day.",
            ),
            "password": Lazy("jpki.using:password", "Change a password of the JPKI: the old one, then a new one."),
            "unblock": Lazy(
                "jpki.enrolling:unblock", "Set a password of the JPKI anew at the office, and give back its tries."
            ),
        },
    ),
    "apdu": Lazy("apdu:apdu", "Send raw APDUs, as they are, and print each answer in hex."),
    "serve": Lazy("serve:serve", "Put a card file into pcscd's virtual reader, until ^C."),
    "reader": LazyGroup.of(
        "reader",
        "Card readers.",
        "juki reader list",
        {
            "list": Lazy("reader:list_", "List the PC/SC readers and the cards in them."),
            "check": Lazy("readercheck:check", "Check up on one reader and its card, harmlessly."),
        },
    ),
}


class Juki(LazyGroup):
    """The root: every error ends here and becomes an exit code."""

    table = NOUNS

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; in standalone mode, leave the process with the exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        session = extra.setdefault("obj", Session())
        try:
            result = super().main(arguments, prog_name or "juki", complete_var, False, **extra)
        except click.Abort:
            click.echo("Interrupted.", err=True)
            code = errors.INTERRUPTED
        except Exception as error:
            if not standalone_mode:
                raise
            code = errors.report(error, json_wanted="--json" in arguments, facts=session.facts)
        else:
            code = result if isinstance(result, int) else errors.DONE
        if standalone_mode:
            sys.exit(code)
        return code


@click.command(
    cls=Juki,
    name="juki",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: juki demo --out out/demo",
)
@click.option("--home", type=click.Path(path_type=Path), help="The authority's home, for every command.")
@click.version_option(package_name="jukicard")
@click.pass_context
def juki(ctx: click.Context, home: Path | None) -> None:
    """A software Juki card (住民基本台帳カード) and the machine that issues it.

    Results go to standard output, prompts and progress to standard error. Exit codes: 0 done, 1 the card or a rule
    refused, 2 usage, 3 no reader or card, 4 wrong password, 5 blocked, 6 the issuer's keys or ledger, 7 bad record,
    70 a bug.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if home is not None:
        ctx.ensure_object(Session).home_given = home


def main() -> NoReturn:
    """Run the command line of this process."""
    juki.main()
    raise SystemExit(errors.BUG)  # never reached: standalone mode leaves the process


if __name__ == "__main__":
    main()
