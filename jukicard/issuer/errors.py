"""What the issuing machine refuses, in families; each carries its exit code on the command line."""

# ruff: noqa: N818 (the names say what happened; the families, which one catches, end in Error)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class IssuerError(Exception):
    """Anything the issuing machine refuses. `exit_code` is the command line's: 6, keys or ledger."""

    exit_code: ClassVar[int] = 6


class RuleRefused(IssuerError):
    """A rule of issuing says no, with keys and books in order (exit code 1)."""

    exit_code = 1


class CardRefused(RuleRefused):
    """The card at hand is genuine, and may not be used, or not for this."""


class WrongCard(CardRefused):
    """There is another card, or chip, in the reader than the one that this is about."""


class OperatorNeeded(RuleRefused):
    """Nobody is logged in, in a home with operators; or one operator, for what takes two."""


class OperatorRefused(RuleRefused):
    """The operator's card is none of this authority's, revoked or over, or its holder may not do this."""


class OperatorSessionEnded(RuleRefused):
    """The operator's session is over: too long, idle too long, closed, or the card is gone."""


class CardSpoilt(IssuerError):
    """The chip refused, or did not hold what was written: it is noted as spoilt and never used again (exit code 1)."""

    exit_code = 1


class HomeMissing(IssuerError):
    """There is no authority (or national root) in that directory."""


class HomeExists(IssuerError):
    """Something stands already where a new authority (or national root) was to be made."""


class HomeDamaged(IssuerError):
    """A file of the home is missing, unreadable, not private, or does not say what it must."""


class TerminalError(IssuerError):
    """A terminal that does not exist, exists already, or asks for what its area cannot grant."""


class CertificateProfileError(IssuerError):
    """A certificate that its issuer must not sign."""


class KeyStoreError(IssuerError):
    """The key store cannot do what was asked."""


class KeyStoreDamaged(KeyStoreError):
    """The key file was cut, edited, or written by something else. The password plays no part in this."""


class KeyStoreLocked(KeyStoreError):
    """The keys are needed, and the home was opened without the authority's password."""


class KeyMissing(KeyStoreError):
    """No key with that label."""


class KeyExists(KeyStoreError):
    """A key with that label exists already."""


class KeyMisuse(KeyStoreError):
    """The key exists, but not for this operation."""


class WrongAuthorityPassword(KeyStoreError):
    """The key file is whole, and this password does not open it (exit code 4)."""

    exit_code = 4


class TokenMissing(KeyStoreError):
    """The PKCS#11 token with the keys, or the library that leads to it, is not there, or no longer."""


class WrongPin(WrongAuthorityPassword):
    """The token is there, and this PIN does not open it (exit code 4)."""


class PinLocked(KeyStoreError):
    """The token takes no PIN any more, until its security officer sets a new one (exit code 5)."""

    exit_code = 5


class LedgerError(IssuerError):
    """The ledger cannot be read or written."""


class LedgerDamaged(LedgerError):
    """The ledger's entries are not what was written: an entry was edited, removed, or moved."""


class LedgerUnavailable(LedgerError):
    """The database that the books lie in cannot be reached; nothing was written, and it may come back."""


class TransitionRefused(LedgerError):
    """That event cannot follow what the ledger already says of the card (exit code 1)."""

    exit_code = 1


class RunStopped(RuleRefused):
    """A run gave up; what it has finished stands in the books, and it can be resumed (exit code 1)."""


class FaceUnwritten(IssuerError):
    """The files of a face could not be written; the card is whole, and its issue can be resumed (exit code 1)."""

    exit_code = 1


class FaceMismatch(IssuerError):
    """The face's file does not print what the record says; the card is whole, and its issue can be resumed, which
    writes the face again (exit code 1).
    """

    exit_code = 1


class NoPrinter(IssuerError):
    """There is no print system, or no such printer in it (exit code 3)."""

    exit_code = 3


class CodeTaken(RuleRefused):
    """The resident code is another person's, to whom the office has issued (or is issuing) the card `serial`."""

    def __init__(self, serial: str) -> None:
        super().__init__(f"is another person's: the books have card {serial} for it")
        self.serial = serial


class CardHeld(RuleRefused):
    """The resident has a valid card, or one is being made: nobody has two."""

    def __init__(self, serial: str, standing: str) -> None:
        super().__init__(
            f"the books have card {serial} ({standing}) for this resident, and nobody has two: "
            "void it, or apply for one that replaces it"
        )
        self.serial = serial


class RegisterDiffers(RuleRefused):
    """The register of residents has an application's person otherwise, in `fields` (names of a record's fields)."""

    def __init__(self, serial: str, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        listed = ", ".join(self.fields)
        super().__init__(f"application {serial}: the register differs in {listed}; it is as it was")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one record: where it is, and why it is one. Never contains the value itself."""

    record: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.record}: {self.field}: {self.reason}"


class RecordError(IssuerError):
    """A resident's record that cannot be issued from, with all its faults (exit code 7)."""

    exit_code = 7

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
