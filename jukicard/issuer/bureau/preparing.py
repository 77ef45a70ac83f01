"""Before the first card of a run: every record is checked, and the run entered into the books, or found there again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise

from jukicard.issuer.authority.authority import Authority
from jukicard.issuer.bureau.groups import in_groups
from jukicard.issuer.bureau.outcomes import Outcome, Outcomes, Result
from jukicard.issuer.bureau.run import Crew, Run, RunPlan, Tally, World
from jukicard.issuer.errors import CardHeld, CodeTaken, Problem, RecordError, RuleRefused
from jukicard.issuer.keys.keystore import Randomness
from jukicard.issuer.ledger.cards import CardState
from jukicard.issuer.ledger.chain import Entry
from jukicard.issuer.ledger.group import Resident
from jukicard.issuer.ledger.rules import APPLICATION, HELD, MID_ISSUE, BooksEvent, Status
from jukicard.issuer.ledger.stock import STOCK_EVENTS, ChipNumbers, stock_of
from jukicard.issuer.line.facework import check_face_of, check_images
from jukicard.issuer.line.orders import resident_of, terms_for
from jukicard.issuer.records.resident import ResidentRecord

MAX_PROBLEMS = 1000
"""Faults that are listed; beyond them they are only counted."""
_AT_ONCE = 500
_MADE = frozenset({*HELD, Status.VOID, Status.DESTROYED})


def validate(authority: Authority, plan: RunPlan, now: datetime) -> int:
    """Check every record of a run against the rules, the other records and the books; return how many there are.

    Whether each face can be drawn, too: photos are opened and framed for that, which takes most of the time.  Where
    faces are printed, what the braille says must have been confirmed beforehand.

    RecordError lists all faults at once, record by record.
    """
    problems: list[Problem] = []
    total = 0
    codes = array("Q")
    for records in in_groups(_records(authority, plan, now, problems), _AT_ONCE):
        residents = [resident_of(authority, record) for record in records]
        codes.extend(_short(resident) for resident in residents)
        problems += _held(authority, plan, now, records, residents)
        total += len(records)
    problems += _repeated(authority, plan, codes)
    if problems:
        left_out = len(problems) - MAX_PROBLEMS
        if left_out > 0:
            more = Problem(plan.records.path.name, "(file)", f"has {left_out} more faults, which are not listed")
            problems = [*problems[:MAX_PROBLEMS], more]
        raise RecordError(problems)
    if not total:
        raise RecordError([Problem(plan.records.path.name, "(file)", "has no residents")])
    return total


def begin(authority: Authority, plan: RunPlan, crew: Crew, world: World, random: Randomness, *, resume: bool) -> Run:
    """Enter a new run, or find the one to resume, and return it ready to be executed.

    RuleRefused where a run of that name is there and is not to be resumed, or is not there and is, or was of other
    records; RecordError as `validate`.
    """
    started = _entry(authority, plan, BooksEvent.RUN_STARTED)
    if started is None:
        if resume:
            raise RuleRefused(f"the books have no run {plan.name}: there is nothing to resume")
        return _begun(authority, plan, crew, world, random)
    if not resume:
        raise RuleRefused(f"the books have a run {plan.name} already: --resume goes on with it")
    if started.detail["records"] != plan.records.digest():
        raise RuleRefused(f"run {plan.name} was begun with other records: {plan.records.path.name} has changed")
    plan = replace(plan, rules=replace(plan.rules, today=_day(started)))
    return _resumed(authority, plan, crew, world, int(started.detail["count"]))


def _begun(authority: Authority, plan: RunPlan, crew: Crew, world: World, random: Randomness) -> Run:
    now = world.now()
    total = validate(authority, plan, now)
    plan.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(plan.out.iterdir()):
        raise RuleRefused(f"{plan.out} is not empty: a new run wants a folder of its own")
    first = (int.from_bytes(random(8)) % 10**8) * 10**8 + 1
    chips = f"{first:016d}-{first + total - 1:016d}" if total > 1 else f"{first:016d}"
    with authority.ledger.writing() as group:
        started = {"records": plan.records.digest(), "count": str(total), "issued": plan.issued_on.isoformat()}
        group.note(plan.name, BooksEvent.RUN_STARTED, now, started)
        if plan.own_blanks:
            stock_of(group.entries(*STOCK_EVENTS)).receive(plan.name, total, ChipNumbers.parse(chips))
            blanks = {"count": str(total), "chips": chips, "run": plan.name}
            group.note(plan.name, BooksEvent.BLANKS_RECEIVED, now, blanks)
    return Run(authority, plan, crew, world, first, Tally(total), finished=bytearray(total + 1))


def _resumed(authority: Authority, plan: RunPlan, crew: Crew, world: World, total: int) -> Run:
    """Find what the books have of a run, and write its outcomes anew from there."""
    received = _entry(authority, plan, BooksEvent.BLANKS_RECEIVED)
    if (received is not None) != plan.own_blanks:
        raise RuleRefused(f"run {plan.name} was begun {'on its own chips' if received else 'on chips in readers'}")
    first = 0 if received is None else int(received.detail["chips"].partition("-")[0])
    finished = bytearray(total + 1)
    tally = Tally(total)
    plan.out.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Outcomes(plan.out) as outcomes:
        outcomes.begin_anew()
        for state in authority.ledger.cards_of_run(plan.name):
            outcome = _outcome(state)
            if outcome is None:
                continue
            finished[outcome.row] = 1
            outcomes.write(outcome)
            issued = outcome.result is Result.ISSUED
            tally = replace(tally, issued=tally.issued + issued, spoilt=tally.spoilt + (not issued))
    return Run(authority, plan, crew, world, first, replace(tally, earlier=tally.done), finished=finished)


def _outcome(state: CardState) -> Outcome | None:
    """What the books say of a run's card; None if it is to be made (again)."""
    row = int(state.facts["row"])
    if state.status in _MADE:
        return Outcome(row, Result.ISSUED, state.serial)
    if state.status in MID_ISSUE:
        return None
    return Outcome(row, Result.SPOILT, state.serial, f"in the books it is {state.status}")


def _entry(authority: Authority, plan: RunPlan, event: BooksEvent) -> Entry | None:
    return next((entry for entry in authority.ledger.entries(plan.name) if entry.event is event), None)


def _day(started: Entry) -> date:
    return date.fromisoformat(started.detail["issued"])


def _records(authority: Authority, plan: RunPlan, now: datetime, problems: list[Problem]) -> Iterator[ResidentRecord]:
    """Yield the records that are right by themselves; the faults of the others go to the list."""
    for row in plan.records.rows():
        try:
            record = plan.records.record(row, plan.rules)
            terms = terms_for(record, plan.issued_on, now)
            if plan.look is not None:
                check_face_of(authority, record, terms.expires, plan.look)
            else:
                check_images(authority, record, terms.expires)
        except RecordError as error:
            problems += error.problems
        except RuleRefused as error:
            problems.append(Problem(f"{plan.records.path.name} line {row.line}", "stay_until", str(error)))
        else:
            yield record


def _held(
    authority: Authority,
    plan: RunPlan,
    now: datetime,
    records: Iterable[ResidentRecord],
    residents: list[Resident],
) -> Iterator[Problem]:
    """Yield the residents who have a card already, or one under way, or whose code is another person's."""
    cards: dict[str, list[CardState]] = {}
    for state in authority.ledger.cards_for_any([resident.code_digest for resident in residents]):
        cards.setdefault(state.code_digest, []).append(state)
    for record, resident in zip(records, residents, strict=True):
        for state in cards.get(resident.code_digest, ()):
            valid = state.status in HELD and not state.is_expired(now.date())
            if state.is_of_another(resident.person_digest):
                yield Problem(record.label, "resident_code", str(CodeTaken(state.serial)))
            elif valid or state.status in MID_ISSUE or state.status in APPLICATION:
                yield Problem(record.label, "resident_code", str(CardHeld(state.serial, state.standing(now.date()))))


def _repeated(authority: Authority, plan: RunPlan, codes: array[int]) -> Iterator[Problem]:
    """Yield the records whose resident code an earlier record of the file has."""
    ordered = sorted(codes)
    twice = {one for one, other in pairwise(ordered) if one == other}
    if not twice:
        return
    seen: dict[int, str] = {}
    for row in plan.records.rows():
        try:
            record = plan.records.record(row, plan.rules)
        except RecordError:
            continue
        code = _short(resident_of(authority, record))
        if code in twice and code in seen:
            yield Problem(record.label, "resident_code", f"is that of {seen[code]}, too")
        elif code in twice:
            seen[code] = record.label


def _short(resident: Resident) -> int:
    """Eight bytes of a keyed digest: enough to tell a run's residents apart."""
    return int(resident.code_digest[:16], 16)
