"""Which WebAssembly may be loaded: a strict reader of the binary format (WebAssembly 1.0, section 5).

Read is an allow-list: sections, types and instructions that stand here, in the order and the number that the standard
has, and nothing else.  No floating point in any place, no vectors, no references, no bulk operations (their work would
not be counted), no second memory, no start function, no custom sections.  Types are not checked here: the engine's own
validation does that, and runs nothing that this has not let through.
"""

from __future__ import annotations

from dataclasses import dataclass

from jukicard.applets.wasm.errors import CodeError
from jukicard.applets.wasm.instructions import check_body, constant
from jukicard.applets.wasm.layout import (
    FUNCTIONS,
    HOST_MODULE,
    INSTALL,
    MAX_CODE,
    MAX_PAGES,
    MEMORY,
    PAGE,
    PROCESS,
)
from jukicard.applets.wasm.reading import Reader

_MAGIC = b"\0asm\x01\0\0\0"
_VALUE_TYPES = {0x7F: "i", 0x7E: "I"}
_FUNCTION, _TABLE, _MEMORY, _GLOBAL = range(4)
_FUNCREF = 0x70
MAX_TYPES, MAX_FUNCTIONS, MAX_TABLE, MAX_GLOBALS, MAX_SEGMENTS = 256, 2048, 2048, 256, 512
MAX_PARAMETERS = 32


@dataclass(frozen=True, slots=True)
class CheckedModule:
    """A module that was let through: its `code`, the functions that it imports in their order, the bytes of memory that
    it may grow to, and whether it has a function for its installation.
    """

    code: bytes
    imports: tuple[str, ...]
    memory: int
    installs: bool


class _Checker:
    """What is known of a module while its sections are read, one after the other."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.types: list[tuple[str, str]] = []
        self.imports: list[str] = []
        self.functions: list[int] = []  # type of each, the imported ones first
        self.table = 0
        self.pages = (0, 0)
        self.globals: list[str] = []
        self.exports: dict[str, tuple[int, int]] = {}
        self.bodies = 0

    def check(self) -> CheckedModule:
        """Read the whole module."""
        if len(self.code) > MAX_CODE:
            raise CodeError(f"more than {MAX_CODE} bytes of code")
        reader = Reader(self.code)
        if reader.take(8) != _MAGIC:
            raise CodeError("not WebAssembly 1")
        readers = {
            1: self._types,
            2: self._imports,
            3: self._functions,
            4: self._tables,
            5: self._memories,
            6: self._globals,
            7: self._exports,
            9: self._elements,
            10: self._bodies,
            11: self._data,
        }
        last = 0
        while not reader.at_end:
            number = reader.byte()
            if number not in readers or number <= last:
                raise CodeError(f"a section {number} that is not allowed there")
            last = number
            section = Reader(reader.take(reader.unsigned()))
            readers[number](section)
            section.end()
        return self._result()

    def _result(self) -> CheckedModule:
        if self.bodies != len(self.functions) - len(self.imports):
            raise CodeError("a function without a body")
        if self.exports.get(MEMORY) != (_MEMORY, 0):
            raise CodeError("the memory is not exported")
        for name in (PROCESS, INSTALL):
            kind, index = self.exports.get(name, (_FUNCTION, None))
            if index is None and name == INSTALL:
                continue
            if index is None or kind != _FUNCTION or self.types[self.functions[index]] != ("", "i"):
                raise CodeError(f"no function {name} without parameters that returns an i32 is exported")
        if set(self.exports) - {MEMORY, PROCESS, INSTALL}:
            raise CodeError("more is exported than memory, process and install")
        return CheckedModule(self.code, tuple(self.imports), self.pages[1] * PAGE, INSTALL in self.exports)

    def _types(self, section: Reader) -> None:
        for _ in range(section.count(MAX_TYPES)):
            if section.byte() != 0x60:
                raise CodeError("a type that is no function's")
            parameters = self._value_types(section, MAX_PARAMETERS)
            self.types.append((parameters, self._value_types(section, 1)))

    def _value_types(self, section: Reader, most: int) -> str:
        return "".join(self._value_type(section) for _ in range(section.count(most)))

    @staticmethod
    def _value_type(section: Reader) -> str:
        found = _VALUE_TYPES.get(section.byte())
        if found is None:
            raise CodeError("a value type that is not i32 or i64")
        return found

    def _type_index(self, section: Reader) -> int:
        return section.below(len(self.types), "type")

    def _imports(self, section: Reader) -> None:
        for _ in range(section.count(len(FUNCTIONS))):
            module, name = section.name(), section.name()
            if section.byte() != _FUNCTION or module != HOST_MODULE or name not in FUNCTIONS or name in self.imports:
                raise CodeError(f"an import that is no function of {HOST_MODULE}, or comes twice")
            index = self._type_index(section)
            function = FUNCTIONS[name]
            if self.types[index] != (function.parameters, function.result):
                raise CodeError(f"{name} is imported with another type than its own")
            self.imports.append(name)
            self.functions.append(index)

    def _functions(self, section: Reader) -> None:
        self.functions += [self._type_index(section) for _ in range(section.count(MAX_FUNCTIONS))]

    def _tables(self, section: Reader) -> None:
        for _ in range(section.count(1)):
            if section.byte() != _FUNCREF:
                raise CodeError("a table that is not of functions")
            self.table, _ = self._bounds(section, MAX_TABLE, "table")

    def _memories(self, section: Reader) -> None:
        for _ in range(section.count(1)):
            self.pages = self._bounds(section, MAX_PAGES, "memory")

    @staticmethod
    def _bounds(section: Reader, most: int, what: str) -> tuple[int, int]:
        if section.byte() != 0x01:
            raise CodeError(f"a {what} without a maximum, or of another kind")
        minimum, maximum = section.unsigned(), section.unsigned()
        if not minimum <= maximum <= most or not maximum:
            raise CodeError(f"a {what} of more than {most}, or of none")
        return minimum, maximum

    def _globals(self, section: Reader) -> None:
        for _ in range(section.count(MAX_GLOBALS)):
            self.globals.append(self._value_type(section))
            if section.byte() > 1:
                raise CodeError("a global variable that is neither constant nor variable")
            constant(section, self.globals[-1])

    def _exports(self, section: Reader) -> None:
        sizes = {_FUNCTION: len(self.functions), _MEMORY: int(self.pages[1] > 0)}
        for _ in range(section.count(3)):
            name, kind = section.name(), section.byte()
            if kind not in sizes or name in self.exports:
                raise CodeError("an export that is neither a function nor the memory, or comes twice")
            self.exports[name] = (kind, section.below(sizes[kind], "export"))

    def _elements(self, section: Reader) -> None:
        for _ in range(section.count(MAX_SEGMENTS)):
            self._active(section)
            start = constant(section, "i")
            count = section.count(MAX_TABLE)
            if start + count > self.table:
                raise CodeError("functions beyond the end of the table")
            for _ in range(count):
                section.below(len(self.functions), "function")

    def _bodies(self, section: Reader) -> None:
        own = self.functions[len(self.imports) :]
        self.bodies = section.count(MAX_FUNCTIONS)
        if self.bodies != len(own):
            raise CodeError("as many bodies as functions are needed")
        for index in own:
            body = Reader(section.take(section.unsigned()))
            check_body(
                body,
                len(self.types[index][0]),
                functions=len(self.functions),
                types=len(self.types),
                variables=len(self.globals),
                table=self.table > 0,
                memory=self.pages[1] > 0,
            )
            body.end()

    def _data(self, section: Reader) -> None:
        for _ in range(section.count(MAX_SEGMENTS)):
            self._active(section)
            start = constant(section, "i")
            if start + len(section.take(section.unsigned())) > self.pages[0] * PAGE:
                raise CodeError("data beyond the end of the memory")

    @staticmethod
    def _active(section: Reader) -> None:
        if section.byte():
            raise CodeError("a segment that is not active, or of another memory or table")


def check(code: bytes) -> CheckedModule:
    """Read a WebAssembly module; CodeError, and nothing else, for what a card does not take."""
    return _Checker(code).check()
