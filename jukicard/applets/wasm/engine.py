"""The engine that runs loaded code: the only file that knows of it (wasmtime, the extra `wasm`).

What it must not do is turned off in its configuration, although nothing gets here that `checking` has not let through.
Traps come from explicit checks in the compiled code, not from signals, so that the process's own handlers stay as they
are; memories take no more of the process's address space than they have bytes.
"""

from __future__ import annotations

import atexit
import ctypes
from collections.abc import Callable
from functools import cache
from weakref import WeakSet

import wasmtime

from jukicard.applets.wasm.checking import CheckedModule
from jukicard.applets.wasm.errors import CodeError, TrapError
from jukicard.applets.wasm.layout import FUNCTIONS, INSTALL, MEMORY, PROCESS, STEPS

STACK = 128 * 1024
"""Bytes of the machine's stack that loaded code may use."""
_TABLE_ELEMENTS = 4096
_KINDS = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64}


_NATIVE: WeakSet[wasmtime.Module | wasmtime.Store] = WeakSet()


@atexit.register
def _close() -> None:
    """Let go of what is still there, while there is something left of the engine's binding that can do it."""
    for native in sorted(_NATIVE, key=lambda native: isinstance(native, wasmtime.Module)):
        native.close()
    _function_type.cache_clear()
    _engine.cache_clear()


class _Stopped(Exception):  # noqa: N818  it says that code was stopped, and is caught in this file
    """A host function ended the run; why is kept in the wire."""


class Wire:
    """What an instance's host functions are connected to while it runs.

    The functions hold on to this object alone, so that an instance goes as soon as nobody holds it.
    """

    __slots__ = ("call", "stopped")

    def __init__(self) -> None:
        self.call: Callable[..., int] | None = None
        self.stopped: BaseException | None = None

    def function(self, name: str) -> Callable[..., int]:
        """Return what the engine calls for one host function.

        What it raises is kept here, and not left to the engine, which has one place for all threads' exceptions.
        """

        def called(*arguments: int) -> int:
            try:
                assert self.call is not None  # noqa: S101  nothing runs outside `Instance.run`
                return self.call(name, *arguments)
            except BaseException as error:  # noqa: BLE001  raised again by `run`
                self.stopped = error
                raise _Stopped from None

        return called


@cache
def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.strategy = "cranelift"
    # Code that is made to be hard to compile must not hold the chip up: no optimisation, registers in a single pass.
    config.cranelift_opt_level = "none"
    config.cranelift_flag_set("regalloc_algorithm", "single_pass")
    config.consume_fuel = True
    config.max_wasm_stack = STACK
    for proposal in (
        "threads", "tail_call", "simd", "relaxed_simd", "multi_value", "multi_memory", "memory64", "exceptions",
        "function_references", "gc", "wide_arithmetic", "custom_page_sizes", "stack_switching", "bulk_memory",
    ):  # fmt: skip
        setattr(config, f"wasm_{proposal}", False)
    config.parallel_compilation = False
    config.signals_based_traps = False
    config.memory_reservation = 0
    config.memory_reservation_for_growth = 0
    config.memory_guard_size = 0
    config.memory_init_cow = False
    return wasmtime.Engine(config)


@cache
def _function_type(name: str) -> wasmtime.FuncType:
    function = FUNCTIONS[name]
    return wasmtime.FuncType([_KINDS[kind]() for kind in function.parameters], [_KINDS[function.result]()])


class CompiledModule:
    """A module's machine code, to be instantiated any number of times."""

    __slots__ = ("checked", "native")

    def __init__(self, checked: CheckedModule) -> None:
        """Validate and compile; CodeError for what the engine does not take."""
        self.checked = checked
        try:
            self.native = wasmtime.Module(_engine(), checked.code)
        except wasmtime.WasmtimeError as error:
            raise CodeError(f"not valid: {error}") from None
        _NATIVE.add(self.native)

    def instantiate(self) -> Instance:
        """Return a new instance; TrapError where its memory cannot be set up."""
        return Instance(self)


class Instance:
    """A module at work: its memory and global variables, and what they hold."""

    __slots__ = ("_functions", "_memory", "_store", "_wire")

    def __init__(self, module: CompiledModule) -> None:
        """Set the memory up; TrapError where that fails."""
        self._wire = wire = Wire()
        self._store = store = wasmtime.Store(_engine())
        _NATIVE.add(store)
        store.set_limits(
            memory_size=module.checked.memory, table_elements=_TABLE_ELEMENTS, instances=1, tables=1, memories=1
        )
        store.set_fuel(STEPS)  # data segments are put in by code
        imports = [wasmtime.Func(store, _function_type(name), wire.function(name)) for name in module.checked.imports]
        try:
            exports = wasmtime.Instance(store, module.native, imports).exports(store)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise TrapError(_reason(error)) from None
        memory = exports[MEMORY]
        assert isinstance(memory, wasmtime.Memory)  # noqa: S101  checked
        self._memory = memory
        found = ((name, exports.get(name)) for name in (PROCESS, INSTALL))
        self._functions = {name: function for name, function in found if isinstance(function, wasmtime.Func)}

    def run(self, name: str, call: Callable[..., int]) -> int:
        """Run an exported function and return its result, an i32 as unsigned.

        Each call of a host function goes to `call`, with the function's name; what that raises ends the run and is
        raised here.  TrapError where the code traps or has taken `STEPS` steps.
        """
        wire, store = self._wire, self._store
        store.set_fuel(STEPS)
        wire.call = call
        try:
            result: int = self._functions[name](store)
        except (wasmtime.Trap, wasmtime.WasmtimeError, _Stopped) as error:
            stopped, wire.stopped = wire.stopped, None
            if stopped is not None:
                raise stopped from None
            raise TrapError(_reason(error)) from None
        finally:
            wire.call = None
        return result & 0xFFFFFFFF

    @property
    def steps(self) -> int:
        """How many steps the last run took."""
        return STEPS - self._store.get_fuel()

    def read(self, pointer: int, size: int) -> bytes:
        """Return bytes of the memory; TrapError outside of it.  `pointer` and `size` are i32 of either reading."""
        return ctypes.string_at(self.address(pointer, size), size & 0xFFFFFFFF)

    def write(self, pointer: int, content: bytes) -> None:
        """Write bytes into the memory; TrapError outside of it."""
        ctypes.memmove(self.address(pointer, len(content)), content, len(content))

    def address(self, pointer: int, size: int) -> int:
        """Return where so many bytes of the memory begin in this process; TrapError outside of it."""
        pointer, size = pointer & 0xFFFFFFFF, size & 0xFFFFFFFF
        if pointer + size > self._memory.data_len(self._store):
            raise TrapError("a pointer outside the memory")
        base = ctypes.cast(self._memory.data_ptr(self._store), ctypes.c_void_p).value or 0
        return base + pointer


def _reason(error: Exception) -> str:
    code = error.trap_code if isinstance(error, wasmtime.Trap) else None
    return code.name.lower().replace("_", " ") if code else "stopped by the engine"
