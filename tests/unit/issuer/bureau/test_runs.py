"""Runs: each record becomes one card, or is told why not, whatever breaks down meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from jukicard.issuer.bureau.outcomes import FILE
from jukicard.issuer.bureau.run import MOST_LOSSES, PATIENCE, WORK, RunPlan, Tally, WorkersLost, folder_of
from jukicard.issuer.errors import LedgerUnavailable, RecordError, RuleRefused, RunStopped
from jukicard.issuer.faces.look import FaceLook
from jukicard.issuer.ledger.ledger import Ledger
from jukicard.issuer.ledger.rules import BooksEvent, Event, Status
from jukicard.reader.cardfile import CardFile
from tests.support.bureau import NOW, STORAGE_KEY, Bureau, Halt, residents
from tests.support.issued import RECORD


def outcomes(plan: RunPlan) -> dict[int, dict[str, object]]:
    lines = [json.loads(line) for line in (plan.out / FILE).read_text("utf-8").splitlines()]
    assert len({line["row"] for line in lines}) == len(lines)
    return {line["row"]: line for line in lines}


def check(bureau: Bureau, plan: RunPlan, count: int) -> None:
    """The books, the files and the outcomes agree: one card for each record, none twice, nothing left over."""
    ledger = bureau.authority.ledger
    cards = list(ledger.cards_of_run(plan.name))
    assert len(cards) == count
    assert {state.status for state in cards} == {Status.AWAITING_HANDOVER}
    assert sorted(int(state.facts["row"]) for state in cards) == list(range(1, count + 1))
    assert len({state.chip for state in cards}) == len({state.code_digest for state in cards}) == count
    files = {path for path in plan.out.rglob("*") if path.is_file()}
    assert files == {folder_of(plan.out, state.serial) / f"{state.serial}.juki" for state in cards} | {plan.out / FILE}
    told = outcomes(plan)
    assert {row: line["serial"] for row, line in told.items()} == {int(s.facts["row"]): s.serial for s in cards}
    assert ledger.verify() == ledger.head()


def test_a_run(bureau: Bureau) -> None:
    plan = bureau.plan(residents(7))
    seen: list[Tally] = []
    assert bureau.run(plan, bureau.crew(), progress=seen.append) == Tally(7, issued=7)
    assert [tally.issued for tally in seen] == sorted(tally.issued for tally in seen)
    check(bureau, plan, 7)
    state = next(bureau.authority.ledger.cards_of_run("run"))
    events = [entry.event for entry in bureau.authority.ledger.entries(state.serial)]
    assert events[:2] == [Event.ORDERED, Event.BOUND]
    assert Event.STEP_STARTED not in events
    with CardFile.open(folder_of(plan.out, state.serial) / f"{state.serial}.juki", STORAGE_KEY) as card:
        assert card.settled is not None or card.card_id
    run = [entry.event for entry in bureau.authority.ledger.entries("run")]
    assert run == [BooksEvent.RUN_STARTED, BooksEvent.BLANKS_RECEIVED, BooksEvent.RUN_ENDED]


def test_all_bad_records_are_listed_before_anything_is_done(bureau: Bureau) -> None:
    first = bureau.plan(residents(2), "first")
    bureau.run(first, bureau.crew())
    people = residents(6)
    people[2]["resident_code"] = "12345678901"
    people[3]["kana"] = "x"
    people[3]["sex"] = "?"
    people.append(people[4])
    plan = bureau.plan(people)
    head = bureau.authority.ledger.head()
    with pytest.raises(RecordError) as caught:
        bureau.run(plan, bureau.crew())
    found = [(problem.record, problem.field) for problem in caught.value.problems]
    assert found == [
        ("run.csv line 4", "resident_code"),
        ("run.csv line 5", "kana"),
        ("run.csv line 5", "sex"),
        ("run.csv line 2", "resident_code"),
        ("run.csv line 3", "resident_code"),
        ("run.csv line 8", "resident_code"),
    ]
    assert "the books have card 799201000000001" in str(caught.value)
    assert "that of run.csv line 6, too" in str(caught.value)
    assert bureau.authority.ledger.head() == head
    assert not plan.out.exists()


def with_faces(plan: RunPlan) -> RunPlan:
    return replace(plan, look=FaceLook(dpi=None))


def test_a_face_that_cannot_be_drawn_is_a_fault_of_its_record(bureau: Bureau) -> None:
    """All of them are listed before anything is begun; where no faces are made, those that the chip's pictures have."""
    people = residents(6)
    (bureau.folder / "portrait.png").write_bytes(RECORD.with_name("portrait-drawn.png").read_bytes())
    (bureau.folder / "none.png").write_bytes(b"no picture")
    people[0] |= {"braille": "yes"}
    people[1] |= {"braille": "yes", "braille_reading": "見本"}
    people[2] |= {"braille": "yes", "braille_reading": "メ" * 12, "name": "見本　\U0003abcd"}
    people[3] |= {"face": "B", "photo": "none.png", "address": "見本市\U0003abcd"}
    people[4] |= {"face": "B", "photo": "portrait.png"}
    people[5] |= {"braille": "no", "braille_reading": "見本"}
    plan = bureau.plan(people)
    head = bureau.authority.ledger.head()
    with pytest.raises(RecordError) as caught:
        bureau.run(with_faces(plan), bureau.crew())
    assert [(problem.record, problem.field) for problem in caught.value.problems] == [
        ("run.csv line 2", "braille_reading"),
        ("run.csv line 3", "braille_reading"),
        ("run.csv line 4", "braille_reading"),
        ("run.csv line 4", "name"),
        ("run.csv line 5", "photo"),
        ("run.csv line 5", "address"),
    ]
    assert "is missing: the record wants braille" in str(caught.value)
    assert bureau.authority.ledger.head() == head
    assert not plan.out.exists()
    with pytest.raises(RecordError) as caught:
        bureau.run(plan, bureau.crew())
    assert [(problem.record, problem.field) for problem in caught.value.problems] == [
        ("run.csv line 4", "name"),
        ("run.csv line 5", "address"),
        ("run.csv line 5", "photo"),
    ]
    people[2] |= {"name": "見本　太郎"}
    people[3] |= {"photo": "portrait.png", "address": "見本市"}
    assert bureau.run(bureau.plan(people), bureau.crew()) == Tally(6, issued=6)


def test_a_run_embosses_what_was_confirmed(bureau: Bureau) -> None:
    people = residents(2)
    people[0] |= {"braille": "yes", "braille_reading": "ミホン タロー"}
    plan = with_faces(bureau.plan(people))
    assert bureau.run(plan, bureau.crew()) == Tally(2, issued=2)
    facts = [json.loads(path.read_text("utf-8")) for path in sorted(plan.out.rglob("*[0-9].json"))]
    assert facts[0]["braille"]["reading"] == "ミホン　タロー"
    assert "braille" not in facts[1]


def test_a_spoilt_card_is_told_and_its_blank_gone(bureau: Bureau) -> None:
    plan = bureau.plan(residents(5))
    tally = bureau.run(plan, bureau.crew(spoiling=lambda number: number % 10**8 == 3))
    assert tally == Tally(5, issued=4, spoilt=1)
    spoilt = outcomes(plan)[3]
    assert spoilt["result"] == "spoilt"
    assert "6A80" in str(spoilt["reason"])
    assert bureau.authority.ledger.card(str(spoilt["serial"])).status is Status.SPOILT
    assert not list(plan.out.rglob(f"{spoilt['serial']}*"))
    assert len(list(plan.out.rglob("*.juki"))) == 4
    assert bureau.run(plan, bureau.crew(), resume=True) == Tally(5, issued=4, spoilt=1, earlier=5)


def test_a_run_stops_when_everything_fails(bureau: Bureau) -> None:
    plan = bureau.plan(residents(12), group=2)
    with pytest.raises(RunStopped, match="3 cards one after the other"):
        bureau.run(plan, bureau.crew(spoiling=lambda number: number % 10**8 > 4))
    assert bureau.authority.ledger.counts()[Status.AWAITING_HANDOVER] == 4
    tally = bureau.run(plan, bureau.crew(), resume=True)
    assert (tally.done, tally.total) == (12, 12)
    assert tally.spoilt in (3, 4)


# --- crashes


def halting(at: int) -> Callable[[int], None]:
    """Stop everything at the call of that number."""

    def before(number: int) -> None:
        if number == at:
            raise Halt

    return before


@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_crash_of_the_run_between_groups(bureau: Bureau, at: int) -> None:
    plan = bureau.plan(residents(10))
    with pytest.raises(Halt):
        bureau.run(plan, bureau.crew(halting(at)))
    (plan.out / WORK / "left-over").mkdir(parents=True)
    bureau.run(plan, bureau.crew(), resume=True)
    check(bureau, plan, 10)


class Falling:
    """Stand-ins for the books' own calls, that crash before or after the transaction of that number."""

    def __init__(self, at: int, *, after: bool, error: type[BaseException] = Halt) -> None:
        self.calls, self.at, self.after, self.error = 0, at, after, error

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        writing = Ledger.writing
        falling = self

        class Wrapped:
            def __init__(self, ledger: Ledger) -> None:
                self.inner = writing(ledger)

            def __enter__(self) -> object:
                falling.calls += 1
                if falling.calls == falling.at and not falling.after:
                    raise falling.error("before")
                return self.inner.__enter__()

            def __exit__(self, *details: object) -> object:
                done = self.inner.__exit__(*details)  # type: ignore[arg-type]
                if falling.calls == falling.at and falling.after:
                    raise falling.error("after")
                return done

        monkeypatch.setattr(Ledger, "writing", lambda ledger: Wrapped(ledger))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_crash_at_every_transaction(bureau: Bureau, monkeypatch: pytest.MonkeyPatch, at: int, after: bool) -> None:
    """Of eight: the run's own, orders and outcomes of three groups, the end."""
    plan = bureau.plan(residents(9))
    with monkeypatch.context() as patch:
        Falling(at, after=after).install(patch)
        with pytest.raises(Halt):
            bureau.run(plan, bureau.crew())
    begun = bool(bureau.authority.ledger.entries("run"))
    bureau.run(plan, bureau.crew(), resume=begun)
    check(bureau, plan, 9)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(2, 9))
def test_a_database_that_is_gone_for_a_moment(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch, at: int, after: bool
) -> None:
    """Whether what was written before the connection broke is there, the run cannot know."""
    if at == 8 and after:
        pytest.skip("an end that is noted twice does no harm")
    plan = bureau.plan(residents(9))
    with monkeypatch.context() as patch:
        Falling(at, after=after, error=LedgerUnavailable).install(patch)
        bureau.run(plan, bureau.crew())
    check(bureau, plan, 9)
    assert len(bureau.warnings) == 1


def test_a_database_that_stays_away(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = bureau.plan(residents(3))

    class Gone(Falling):
        def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
            def writing(ledger: Ledger) -> object:
                raise LedgerUnavailable("no route")

            monkeypatch.setattr(Ledger, "writing", writing)

    crew = bureau.crew(lambda number: Gone(1, after=False).install(monkeypatch))
    with monkeypatch.context(), pytest.raises(RunStopped, match="no route; the run has stopped after"):
        bureau.run(plan, crew)
    assert PATIENCE <= bureau.slept < 2 * PATIENCE
    monkeypatch.undo()
    bureau.run(plan, bureau.crew(), resume=True)
    check(bureau, plan, 3)


def test_workers_that_are_lost(bureau: Bureau) -> None:
    lost = {1, 3, 4}

    def before(number: int) -> None:
        if number in lost:
            raise WorkersLost("killed")

    plan = bureau.plan(residents(8))
    crew = bureau.crew(before)
    bureau.run(plan, crew)
    assert crew.recovered >= 2
    assert any("made again" in warning for warning in bureau.warnings)
    check(bureau, plan, 8)


def test_a_group_that_takes_every_worker_with_it_stops_the_run(bureau: Bureau) -> None:
    def before(number: int) -> None:
        if number > 1:
            raise WorkersLost("killed")

    plan = bureau.plan(residents(6))
    with pytest.raises(RunStopped, match=f"records 4 to 6 is lost, {MOST_LOSSES + 1} times"):
        bureau.run(plan, bureau.crew(before))
    bureau.run(plan, bureau.crew(), resume=True)
    check(bureau, plan, 6)


def test_an_order_that_is_cancelled_meanwhile_leaves_no_card(bureau: Bureau) -> None:
    plan = bureau.plan(residents(4))
    ledger = bureau.authority.ledger

    def before(number: int) -> None:
        if number == 1:
            ledger.append("799201000000002", Event.CANCELLED, NOW)

    assert bureau.run(plan, bureau.crew(before)) == Tally(4, issued=3)
    assert sorted(outcomes(plan)) == [1, 3, 4]
    assert len(list(plan.out.rglob("*.juki"))) == 3
    assert ledger.card("799201000000002").status is Status.CANCELLED
    assert ledger.verify()


# --- what a run is


def test_a_run_is_begun_once_and_resumed_with_its_own_records(bureau: Bureau) -> None:
    people = residents(4)
    plan = bureau.plan(people)
    with pytest.raises(RuleRefused, match="nothing to resume"):
        bureau.run(plan, bureau.crew(), resume=True)
    bureau.run(plan, bureau.crew())
    with pytest.raises(RuleRefused, match="--resume goes on"):
        bureau.run(plan, bureau.crew())
    assert bureau.run(plan, bureau.crew(), resume=True) == Tally(4, issued=4, earlier=4)
    people[0]["name"] = "見本　花子"
    with pytest.raises(RuleRefused, match="other records"):
        bureau.run(bureau.plan(people), bureau.crew(), resume=True)


def test_a_run_wants_an_empty_folder(bureau: Bureau) -> None:
    plan = bureau.plan(residents(2))
    plan.out.mkdir()
    (plan.out / "mine").touch()
    with pytest.raises(RuleRefused, match="not empty"):
        bureau.run(plan, bureau.crew())
    assert not bureau.authority.ledger.entries()


def test_a_card_that_somebody_else_ordered_meanwhile_is_refused_alone(bureau: Bureau) -> None:
    people = residents(6)
    plan = bureau.plan(people)
    other = bureau.plan([people[5]], "other")

    def before(number: int) -> None:
        if number == 1:
            bureau.run(other, bureau.crew())

    assert bureau.run(plan, bureau.crew(before)) == Tally(6, issued=5, refused=1)
    assert outcomes(plan)[6]["result"] == "refused"
    assert "799201000000004" in str(outcomes(plan)[6]["reason"])
