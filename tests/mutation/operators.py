"""Mutants of a module: the same program with one small fault, which some test ought to notice."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import CodeType

_NEIGHBOURS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Mod: ast.Mult,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One fault: `change` in the statement whose lines are `first` to `last`, as compiled in `code`.

    `scope` is the qualified name of the function or class that it is in ("" for the module's own level); `in_body`
    tells whether it is in the body of a function, so that it does nothing before that is called.
    """

    module: str
    scope: str
    line: str
    change: str
    first: int
    last: int
    in_body: bool
    code: CodeType = field(repr=False, compare=False)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """How a list of survivors names it: nothing in it depends on where in the file it stands."""
        return self.module, self.scope, self.line, self.change

    def __str__(self) -> str:
        return f"{self.module}:{self.first} {self.scope}: {self.line}\n    {self.change}"


def mutants_of(module: str, source: str, filename: str) -> list[Mutant]:
    """Return every mutant of a module's source, each fault once.  `filename` is what its code says it comes from."""
    tree = ast.parse(source, filename)
    lines = source.splitlines()
    seen = {_form(compile(tree, filename, "exec", dont_inherit=True))}
    found = []
    for place, after, change in _Places().of(tree):
        before = place.node
        place.put(ast.fix_missing_locations(ast.copy_location(after, before)))
        code = compile(tree, filename, "exec", dont_inherit=True)
        place.put(before)
        if (form := _form(code)) not in seen:
            seen.add(form)
            text = lines[before.lineno - 1].strip()
            first, last = place.lines
            found.append(Mutant(module, place.scope, text, change, first, last, place.in_body, code))
    return found


def _form(code: CodeType) -> tuple[object, ...]:
    """What a code does: all of it but where in the source it stands.  Constants as they are written: 1 is not True."""
    constants = tuple(_form(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_exceptiontable


@dataclass(frozen=True)
class _Place:
    """Where a node hangs in the tree; `put` hangs another there."""

    node: ast.AST
    put: Callable[[ast.AST], None]
    scope: str
    lines: tuple[int, int]
    in_body: bool


class _Places:
    """Goes through a tree and offers what could be put in each node's place."""

    def __init__(self) -> None:
        self._scope = ""
        self._returns: ast.expr | None = None
        self._lines = (0, 0)
        self._in_body = False

    def of(self, node: ast.AST) -> Iterator[tuple[_Place, ast.AST, str]]:
        """Yield (place, what to put there, the change in words) for everything below `node`."""
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "format_spec"}:
                continue
            if isinstance(value, ast.AST):
                yield from self._at(node, name, value, partial(setattr, node, name))
            elif isinstance(value, list):
                for index, child in enumerate(value):
                    if isinstance(child, ast.AST):
                        yield from self._at(node, name, child, partial(value.__setitem__, index))

    def _at(
        self, parent: ast.AST, name: str, node: ast.AST, put: Callable[[ast.AST], None]
    ) -> Iterator[tuple[_Place, ast.AST, str]]:
        if _is_no_behaviour(node):
            return
        kept = self._scope, self._returns, self._lines, self._in_body
        if isinstance(node, ast.stmt):
            self._lines = _header_lines(node)
            self._in_body |= isinstance(parent, ast.FunctionDef) and name == "body"
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self._scope = f"{self._scope}.{node.name}" if self._scope else node.name
        if isinstance(node, ast.FunctionDef):
            self._returns = node.returns
        place = _Place(node, put, self._scope, self._lines, self._in_body)
        yield from ((place, after, change) for after, change in self._instead_of(node))
        yield from self.of(node)
        self._scope, self._returns, self._lines, self._in_body = kept

    def _instead_of(self, node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
        if isinstance(node, ast.expr):
            text = ast.unparse(node)
            yield from ((after, f"{text} -> {ast.unparse(after)}") for after in _other_expressions(node))
        elif isinstance(node, ast.Return) and node.value is not None:
            if not (isinstance(self._returns, ast.Name) and self._returns.id == "bool"):
                yield ast.Return(ast.Constant(None)), "returns None"
            elif not isinstance(node.value, ast.Constant | ast.UnaryOp | ast.Compare):  # those have their own opposites
                yield ast.Return(ast.UnaryOp(ast.Not(), node.value)), "returns the opposite"
        elif isinstance(node, ast.If | ast.While):
            yield from _forced(node)
        elif isinstance(node, ast.stmt):
            yield from _other_statements(node)


def _is_no_behaviour(node: ast.AST) -> bool:
    """Whether a node is left alone: texts (messages and names), how instances are laid out in memory, how large caches
    are, what only tells the type checker something.
    """
    match node:
        case ast.JoinedStr() | ast.keyword(arg="slots" | "maxsize") | ast.Assert():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__")]) | ast.Expr(value=ast.Constant()):
            return True
    return False


def _header_lines(node: ast.stmt) -> tuple[int, int]:
    """The lines of a statement; of one with a body, those before the body."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.body[0].lineno - 1
        case ast.If() | ast.While() | ast.For() | ast.With() | ast.Match() | ast.Try():
            inner = node.cases[0].pattern if isinstance(node, ast.Match) else node.body[0]
            return node.lineno, max(node.lineno, inner.lineno - 1)
    return node.lineno, node.end_lineno or node.lineno


def _other_expressions(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(ops=operators):
            for index, operator in enumerate(operators):
                for other in _NEIGHBOURS[type(operator)]:
                    changed = [*operators[:index], other(), *operators[index + 1 :]]
                    yield ast.Compare(node.left, changed, node.comparators)
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1 :]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(operator, rest)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.IfExp(body=body, orelse=otherwise):
            yield body
            yield otherwise
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
            yield ast.BinOp(node.left, _ARITHMETIC[type(operator)](), node.right)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _unfiltered(node)


def _unfiltered(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Iterator[ast.expr]:
    """A comprehension without its conditions."""
    if any(each.ifs for each in node.generators):
        bare = [ast.comprehension(each.target, each.iter, [], each.is_async) for each in node.generators]
        fields = {name: getattr(node, name) for name in node._fields}
        yield type(node)(**{**fields, "generators": bare})


def _forced(node: ast.If | ast.While) -> Iterator[tuple[ast.stmt, str]]:
    for value in (True, False) if isinstance(node, ast.If) else (False,):
        text = f"{ast.unparse(node.test)} -> {value}"
        yield type(node)(test=ast.Constant(value), body=node.body, orelse=node.orelse), text


def _other_statements(node: ast.stmt) -> Iterator[tuple[ast.stmt, str]]:
    match node:
        case ast.Raise() | ast.Expr(value=ast.Call() | ast.YieldFrom() | ast.Yield()):
            yield ast.Pass(), "removed"
        case ast.Assign(targets=[target, *_]) | ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            if isinstance(target, ast.Attribute | ast.Subscript) or _has_attribute(target):
                yield ast.Pass(), "removed"
        case ast.Continue():
            yield ast.Break(), "continue -> break"
        case ast.Break():
            yield ast.Continue(), "break -> continue"


def _has_attribute(target: ast.AST) -> bool:
    parts = target.elts if isinstance(target, ast.Tuple) else []
    return any(isinstance(part, ast.Attribute | ast.Subscript) for part in parts)
