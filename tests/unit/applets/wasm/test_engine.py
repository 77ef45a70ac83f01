"""The engine: code that is hard to compile, instances that go away, a process that stays as it was."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wasmtime._func import FUNCTIONS as ENGINES_FUNCTIONS

from jukicard.applets.wasm.checking import check
from jukicard.applets.wasm.engine import CompiledModule
from jukicard.applets.wasm.errors import TrapError
from jukicard.applets.wasm.layout import STEPS
from tests.support.wasm import EMPTY, imported, process, wat

ROOT = Path(__file__).parents[4]
SECONDS = 4.0
"""Of the processor: with room for a slow machine.  What these guard against took minutes."""


def _hard(local: int, body: str) -> bytes:
    return wat(process(f"(local {'i32 ' * local}) {body} (i32.const 0x9000)"))


def _loops(depth: int, local: int) -> bytes:
    sets = "".join(f"(local.set {n} (i32.add (local.get {n}) (i32.const 1)))" for n in range(local))
    branches = "".join(f"(br_if {n} (local.get {n % local}))" for n in range(depth))
    return _hard(local, "(loop " * depth + sets + branches + ")" * depth)


HARD = {
    "nested loops, every variable alive": lambda: _loops(250, 1024),
    "nested loops, fewer variables": lambda: _loops(250, 256),
    "tables of branches": lambda: _hard(
        1,
        "(block " * 250 + f"(br_table {' '.join(str(n % 250) for n in range(1000))} (i32.const 1))" * 40 + ")" * 250,
    ),
    "a deep stack": lambda: _hard(1, "(i32.const 1)" * 15000 + "drop " * 15000),
    "branches in a row": lambda: _hard(1024, "(if (local.get 0) (then (local.set 1 (i32.const 1))))" * 5000),
    "many functions": lambda: wat("(func (result i32) (i32.const 1))" * 2000, EMPTY),
    "divisions": lambda: _hard(1, "(drop (i64.div_s (i64.const 4) (i64.const 3)))" * 7000),
}


@pytest.mark.parametrize("name", HARD)
def test_code_that_is_hard_to_compile_is_compiled_soon(name: str) -> None:
    checked = check(HARD[name]())
    start = time.process_time()
    CompiledModule(checked)
    assert time.process_time() - start < SECONDS


def test_an_instance_goes_when_nobody_holds_it() -> None:
    module = CompiledModule(check(wat(imported("expected"), process("(call $expected)"))))
    held = len(ENGINES_FUNCTIONS.handles)
    for _ in range(300):
        assert module.instantiate().run("process", lambda _name: 7) == 7
    gc.collect()
    assert len(ENGINES_FUNCTIONS.handles) <= held


def test_what_a_host_function_raises_ends_the_run_and_comes_out() -> None:
    instance = CompiledModule(check(wat(imported("expected"), process("(call $expected)")))).instantiate()

    class OwnError(Exception):
        pass

    def fails(_name: str) -> int:
        raise OwnError

    with pytest.raises(OwnError):
        instance.run("process", fails)
    assert instance.run("process", lambda _name: 5) == 5
    assert instance.run("process", lambda _name: -1) == 0xFFFFFFFF

    def interrupted(_name: str) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        instance.run("process", interrupted)


def test_steps_are_counted_and_run_out() -> None:
    instance = CompiledModule(check(wat(process("(loop (br 0)) (i32.const 1)")))).instantiate()
    start = time.process_time()
    with pytest.raises(TrapError, match="fuel"):
        instance.run("process", lambda _name: 0)
    assert time.process_time() - start < SECONDS
    assert instance.steps == STEPS


def test_a_process_that_ran_loaded_code_ends_without_a_word() -> None:
    """The engine's binding cannot delete its objects any more when the interpreter has gone that far."""
    program = (
        "from tests.support.wasm import *; kept = [chip_with(probe()) for _ in range(3)];"
        "print([one(chip, 'counter_add', 1, 1) for chip in kept])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[1, 1, 1]", "")
