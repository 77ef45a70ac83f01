"""Secrets are compared in constant time: no `==`, `!=` or `in` where an operand is called a secret's name.

A name counts by its words, whatever stands around them: `card_cryptogram(…)`, `self._mac`, `header.root`. What is
compared plainly all the same is listed with the reason why it may be.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
SECRET = re.compile(
    r"(^|_)(mac|cryptogram|password|passphrase|pin|receipt|secret|verifier|resident_code|reveal|candidate|"
    r"check|kcv|dek|storage_key|private_key)($|_)"
)
PUBLIC = frozenset({"len", "type", "bool"})
"""Functions whose result tells nothing of what they are given."""

PLAIN = {
    ("applets/gp/key_commands.py", "check != key_check_value(key)"): (
        "a key check value is public: whoever puts the key has sent it, and it tells 3 bytes of a cipher's output"
    ),
    ("commands/demo/office.py", "code == scene.order.record.resident_code"): (
        "a ResidentCode compares itself in constant time"
    ),
    ("issuer/records/codes.py", "check_digit(digits[:5]) != int(digits[5])"): "the check digit of a public city code",
    ("issuer/records/codes.py", "check_digit(digits[:10]) != int(digits[10])"): (
        "a form, not a secret: the code's own holder or record is at hand"
    ),
}
"""Where a plain comparison is right, and why."""


def words(node: ast.AST) -> Iterator[str]:
    """The names in an operand: variables, attributes, and the functions whose result it is (not their arguments)."""
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id in PUBLIC):
            yield from words(node.func)
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Subscript):
        yield from words(node.value)
    elif isinstance(node, ast.BinOp):
        yield from words(node.left)
        yield from words(node.right)
    elif isinstance(node, ast.Tuple | ast.List):
        for element in node.elts:
            yield from words(element)


def plain_comparisons(source: str) -> Iterator[str]:
    """The comparisons in a program, as they are written, that are not in constant time and whose operand is secret."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare) or not any(
            isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops
        ):
            continue
        if any(SECRET.search(word) for side in (node.left, *node.comparators) for word in words(side)):
            yield ast.unparse(node)


def found() -> set[tuple[str, str]]:
    package = REPOSITORY / "jukicard"
    return {
        (path.relative_to(package).as_posix(), comparison)
        for path in package.rglob("*.py")
        for comparison in plain_comparisons(path.read_text(encoding="utf-8"))
    }


def test_no_secret_is_compared_plainly_but_where_it_is_said_why() -> None:
    comparisons = found()
    assert comparisons - PLAIN.keys() == set()
    assert PLAIN.keys() - comparisons == set(), "these are not there any more"


@pytest.mark.parametrize(
    "program",
    [
        "mac == data[-8:]",
        "self._mac(header) != found",
        "if update.cryptogram == card_cryptogram(keys, context): pass",
        "assert (kvn, agreed.receipt) == wanted",
        "password in known",
        "client.resident_code() != code",
        "other.reveal() == mine",
        "expected == verifier[:4]",
    ],
)
def test_a_plain_comparison_is_noticed(program: str) -> None:
    assert list(plain_comparisons(program))


@pytest.mark.parametrize(
    "program",
    [
        "compare_digest(mac, other)",
        "len(mac) == 8",
        "MAC_SIZE == 8",
        "password is None",
        "sw == 0x9000",
        "machine == 1",
    ],
)
def test_what_is_none_is_not(program: str) -> None:
    assert not list(plain_comparisons(program))
