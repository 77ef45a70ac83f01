"""`make mutants`: does a fault in what guards the card go unnoticed?  See docs/mutation-testing.md."""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import importlib
import os
import pickle
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, Phase, settings

from tests.mutation import accepted
from tests.mutation.cold import passes
from tests.mutation.operators import Mutant, mutants_of
from tests.mutation.running import Verdict, run_all, silence
from tests.mutation.warm import BUDGET, COLLECTING, IMPORTING, Baseline, WarmRun, file_of

ROOT = Path(__file__).parents[2]
MEMORY_DISK = Path("/dev/shm")  # card files wait for their disk at each commit
SURVIVORS = Path(__file__).with_name("survivors.toml")
MODULES = (
    "jukicard/card/security/conditions.py",
    "jukicard/card/card.py",
    "jukicard/card/commands.py",
    "jukicard/card/context.py",
    "jukicard/card/security/counters.py",
    "jukicard/card/dispatch.py",
    "jukicard/card/security/environment.py",
    "jukicard/card/files/management.py",
    "jukicard/card/files/structures.py",
    "jukicard/card/security/internal_files.py",
    "jukicard/card/security/key_commands.py",
    "jukicard/card/security/keypairs.py",
    "jukicard/card/objects.py",
    "jukicard/card/security/password_commands.py",
    "jukicard/card/security/passwords.py",
    "jukicard/card/security/reference_data.py",
    "jukicard/card/registry.py",
    "jukicard/card/routing.py",
    "jukicard/card/security/secretkeys.py",
    "jukicard/card/files/selection.py",
    "jukicard/card/store.py",
    "jukicard/card/transaction.py",
    "jukicard/card/volatile.py",
    "jukicard/iso7816/access.py",
    "jukicard/securechannel/messages.py",
    "jukicard/applets/gp/channel_commands.py",
    "jukicard/applets/gp/rules.py",
    "jukicard/applets/faceverification/applet.py",
    "jukicard/applets/faceverification/personalisation.py",
    "jukicard/applets/faceverification/rules.py",
    "jukicard/applets/jpki/applet.py",
    "jukicard/applets/jpki/rules.py",
    "jukicard/applets/jpki/signing.py",
    "jukicard/applets/shared/applet.py",
    "jukicard/reader/cardfile/database.py",
    "jukicard/reader/cardfile/engine.py",
    "jukicard/reader/cardfile/file.py",
    "jukicard/reader/cardfile/sealing.py",
)
TESTS = (
    "tests/unit/applets",
    "tests/unit/card",
    "tests/unit/cardfile",
    "tests/unit/iso7816",
    "tests/unit/securechannel",
    "tests/property/test_card_model.py",
    "tests/property/test_cardfile.py",
    "tests/property/test_iso7816.py",
    "tests/property/test_securechannel.py",
    "tests/e2e/test_dialogues.py::test_in_process",
)
SLOW = ("tests/unit/cardfile/test_every_byte.py", "tests/unit/cardfile/test_powercut.py")
"""These look for what the others look for, at many places and at length."""

OPTIONS = (
    *(f"--ignore={file}" for file in SLOW),
    *("-q", "-s", "-p", "no:cacheprovider", "--timeout=0"),
    *("--hypothesis-profile=mutants", "-o", "tmp_path_retention_policy=none"),
)


class Run:
    """One run over some modules: what is tried, what came out, and how to say it."""

    def __init__(self, root: Path, modules: Iterable[str], tests: Iterable[str], workers: int) -> None:
        self._root = root
        self.filenames = {module: str(root / module) for module in modules}
        self.mutants = [
            mutant
            for module, filename in self.filenames.items()
            for mutant in mutants_of(module, Path(filename).read_text(), filename)
        ]
        self._numbers = {id(mutant): number for number, mutant in enumerate(self.mutants)}
        self.tests = list(tests)
        self.workers = workers
        self.verdicts: dict[int, Verdict] = {}

    def warm(self) -> tuple[Baseline, list[Mutant]]:
        """Try in place what can be tried so; return the baseline, and what cannot."""
        report, results = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                self._warm_child(os.fdopen(results, "wb"))
            finally:
                os._exit(0)
        os.close(results)
        with os.fdopen(report, "rb") as stream:
            while True:
                kind, *what = pickle.load(stream)
                if kind == "verdict":
                    self._done(self.mutants[what[0]], what[1])
                    continue
                break
        os.waitpid(pid, 0)
        if kind == "failed":
            sys.exit(f"without any mutant: {what[0]}")
        baseline, left, imported = what
        for name in imported:  # so that the children need not
            with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
                importlib.import_module(name)
        return baseline, [self.mutants[number] for number in left]

    def _warm_child(self, stream: BinaryIO) -> None:
        def tell(*what: object) -> None:
            pickle.dump(what, stream)
            stream.flush()

        silence()
        coverage = Coverage(data_file=None, config_file=False, include=list(self.filenames.values()))
        plugin = WarmRun(
            self.mutants,
            self.filenames,
            coverage,
            self.workers,
            lambda mutant, verdict: tell("verdict", self._numbers[id(mutant)], verdict),
        )
        coverage.start()
        coverage.switch_context(IMPORTING)
        for module in self.filenames:
            importlib.import_module(_dotted(module))
        coverage.switch_context(COLLECTING)
        pytest.main([*OPTIONS, *self.tests], plugins=[plugin])
        if plugin.failed is not None:
            tell("failed", plugin.failed)
            return
        imported = [name for name, module in sys.modules.items() if not self._is_ours(module)]
        tell("ended", plugin.baseline, [self._numbers[id(mutant)] for mutant in plugin.left], imported)

    def _is_ours(self, module: ModuleType) -> bool:
        """Whether a module belongs to what is tested, so that a child has to import it itself."""
        file = Path(getattr(module, "__file__", None) or "/")
        return file.is_relative_to(self._root) and "site-packages" not in file.parts

    def cold(self, baseline: Baseline, mutants: list[Mutant]) -> None:
        """Try the others, each with everything imported anew."""
        tests = {module: self._tests_on_import(module, baseline) for module in self.filenames}

        def survives(mutant: Mutant) -> bool:
            filename, chosen = self.filenames[mutant.module], tests[mutant.module]
            return passes(_dotted(mutant.module), filename, mutant.code, chosen, baseline.seconds, list(OPTIONS))

        run_all(mutants, survives, self.workers, self._done)

    def _tests_on_import(self, module: str, baseline: Baseline) -> list[list[str]]:
        """The tests that may notice what happens while a module is imported: those in files that import from it; then
        those that run any line of it, or are in files that import from its package.
        """
        name = _dotted(module)
        imported = {test: _imported(file_of(test)) for test in baseline.seconds}
        near = {test for test, names in imported.items() if name in names}
        running = baseline.tests(self.filenames[module], 1, 1 << 20)
        rest = running | {test for test, names in imported.items() if name.rpartition(".")[0] in names}
        stages = (baseline.within(BUDGET, baseline.in_order(tests)) for tests in (near, rest - near))
        return [stage for stage in stages if stage]

    def _done(self, mutant: Mutant, verdict: Verdict) -> None:
        self.verdicts[self._numbers[id(mutant)]] = verdict
        if verdict is Verdict.SURVIVED:
            print(f"survived: {mutant}", file=sys.stderr, flush=True)
        if len(self.verdicts) % 100 == 0:
            print(f"{len(self.verdicts)} of {len(self.mutants)}", file=sys.stderr, flush=True)

    def survivors(self) -> list[Mutant]:
        """What no test noticed."""
        return [self.mutants[number] for number in sorted(self.verdicts) if self.verdicts[number] is Verdict.SURVIVED]

    def table(self) -> str:
        """Per module: mutants, killed, survived, timeouts, percent of them noticed."""
        lines = [f"{'module':44}{'mutants':>8}{'killed':>8}{'survived':>9}{'timeouts':>9}{'percent':>9}"]
        for module in self.filenames:
            count = Counter(v for number, v in self.verdicts.items() if self.mutants[number].module == module)
            figures = f"{count[Verdict.KILLED]:8}{count[Verdict.SURVIVED]:9}{count[Verdict.TIMEOUT]:9}"
            lines.append(f"{module:44}{count.total():8}{figures}{_percent(count):9.1f}")
        return "\n".join(lines)


@functools.cache
def _imported(file: str) -> set[str]:
    """The modules that a file imports from."""
    nodes = list(ast.walk(ast.parse(Path(file).read_text())))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return names | {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


def _dotted(module: str) -> str:
    return module.removesuffix(".py").replace("/", ".")


def _percent(count: Counter[Verdict]) -> float:
    return 100 * (1 - count[Verdict.SURVIVED] / max(1, count.total()))


def judge(run: Run, reasons: dict[accepted.Key, str], wanted: float) -> list[str]:
    """Return what is wrong with the outcome: survivors without a reason, reasons without a survivor, too many."""
    survivors = run.survivors()
    surviving = {mutant.key for mutant in survivors}
    faults = []
    if new := [mutant for mutant in survivors if mutant.key not in reasons]:
        faults.append(f"{len(new)} survivors are not listed:\n\n{accepted.as_toml(new)}")
    faults += [f"stale: {key}" for key in reasons if key[0] in run.filenames and key not in surviving]
    percent = _percent(Counter(run.verdicts.values()))
    if percent < wanted:
        faults.append(f"{percent:.1f} % were killed, {wanted:g} are wanted")
    return faults


def _spent(began: float) -> str:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return f"{(time.monotonic() - began) / 60:.1f} minutes ({(used.ru_utime + used.ru_stime) / 60:.1f} of CPU time)"


def main() -> int:
    """Run, report, and tell by the exit code whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, help="files to mutate; all that are in scope")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="what pytest is to run")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many mutants at a time")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that all these names are relative to")
    parser.add_argument("--survivors", type=Path, default=SURVIVORS, help="the survivors that are accepted")
    parser.add_argument("--percent", type=float, default=95, help="how many must be killed")
    wanted = parser.parse_args()
    settings.register_profile(
        "mutants",
        deadline=None,
        derandomize=True,
        max_examples=50,
        stateful_step_count=30,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],  # under coverage, and beside other work, all is slow
    )
    reasons = accepted.read(wanted.survivors)
    root = wanted.root.resolve()
    os.chdir(root)
    sys.path.insert(0, str(root))
    began = time.monotonic()
    run = Run(root, wanted.modules, wanted.tests, wanted.workers)
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        baseline, left = run.warm()
        print(f"{len(run.verdicts)} tried in place after {_spent(began)}", flush=True)
        run.cold(baseline, left)
    print(f"{len(left)} with new imports after {_spent(began)}")
    print(run.table())
    faults = judge(run, reasons, wanted.percent)
    print(*faults, sep="\n")
    count = Counter(run.verdicts.values())
    killed = count[Verdict.KILLED] + count[Verdict.TIMEOUT]
    print(f"mutants: total={count.total()} killed={killed} survived={count[Verdict.SURVIVED]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
