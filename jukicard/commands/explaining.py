"""Why the emulated chip refused a command, as lines for the eye and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jukicard.card.explain import Need, Refusal, RuleText


def lines(refusal: Refusal) -> Iterator[str]:
    """Yield what there is to say, a fact a line."""
    yield f"refused {refusal.sw} ({refusal.sw.description}) at: {refusal.step.value}"
    if refusal.row is not None:
        yield f"command: {refusal.row.name} [{refusal.row.spec}]"
    yield f"reason: {refusal.reason}"
    rule = refusal.rule
    if rule is not None:
        yield f"rule: {rule.text}"
        if rule.fcp:
            yield f"FCP: {rule.fcp.hex(' ').upper()}"
            yield f"from byte {rule.offset}: {_deciding(rule).hex(' ').upper()}"
    if refusal.remedy:
        yield f"would do: {refusal.remedy}"


def as_json(refusal: Refusal) -> dict[str, object]:
    """The same as an object with stable keys."""
    rule, row = refusal.rule, refusal.row
    return {
        "sw": str(refusal.sw),
        "step": refusal.step.value,
        "command": None if row is None else row.name,
        "clause": None if row is None else row.spec,
        "reason": refusal.reason,
        "rule": None if rule is None else _rule(rule),
        "remedy": refusal.remedy or None,
    }


def _rule(rule: RuleText) -> dict[str, object]:
    return {
        "text": rule.text,
        "fcp": rule.fcp.hex().upper(),
        "offset": rule.offset,
        "bytes": _deciding(rule).hex().upper(),
        "alternatives": [[_need(need) for need in way] for way in rule.alternatives],
    }


def _need(need: Need) -> dict[str, object]:
    return {"kind": need.kind.value, "value": need.value, "absent": need.absent, "text": str(need)}


def _deciding(rule: RuleText) -> bytes:
    return rule.fcp[rule.offset : rule.offset + rule.length]
