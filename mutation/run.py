"""Changes what decides verdicts, one small thing at a time, and counts the changes that the tests notice.

The changes are the operators of cosmic-ray, applied to whole modules: decorated functions, in which all judges live,
and module constants, which hold the thresholds, are changed like the rest. Strings stay as they are, as do annotations
and the decorators of classes. Each mutant is tried in a forked process, with the tests that run its statement.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import json
import math
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import tomllib
from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).parents[1]
COPY = ROOT / ".mutants"
RESULTS = ROOT / ".mutants.json"
COPIED = (
    *("src", "tests", "docs", "examples", "benchmarks", "fuzz", "real"),
    *("pyproject.toml", "README.md", "LICENSE", "Makefile"),
)
SEED = "bgecheck"
PRELOADED = (
    *("httpx", "numpy", "openai", "orjson", "psutil", "rich.table", "tokenizers", "typer", "pytest", "coverage"),
    *("hypothesis.strategies", "_hypothesis_pytestplugin", "anyio.pytest_plugin", "anyio._backends._asyncio"),
)
"""Imported once, before the forks; they import nothing of bgecheck."""

COMPARISONS = {
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
}
"""The bound moved onto or off the number, and the comparison turned round."""

ARITHMETIC = {
    "Add": "Sub",
    "Sub": "Add",
    "Mul": "Div",
    "Div": "Mul",
    "FloorDiv": "Mul",
    "Mod": "Mul",
    "BitOr": "BitAnd",
    "BitAnd": "BitOr",
}

OPERATORS = (
    *(f"ReplaceComparisonOperator_{a}_{b}" for a, others in COMPARISONS.items() for b in others),
    *(f"ReplaceBinaryOperator_{a}_{b}" for a, b in ARITHMETIC.items()),
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_USub_UAdd",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "ZeroIterationForLoop",
)

OUTCOMES = {0: "survived", 1: "killed", 2: "killed", 3: "killed", 4: "killed", -1: "slow"}
"""By the exit code of pytest: 2 to 4 where the module cannot even be imported; slow is killed by its time."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    module: str
    operator: str
    occurrence: int
    line: int

    @property
    def name(self) -> str:
        """How it is written and picked."""
        return f"{self.module}:{self.line}:{self.operator}:{self.occurrence}"


class Positions(Visitor):
    """Where an operator can be applied, in the order in which cosmic-ray counts."""

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        self.starts: list[tuple[int, int]] = []

    def visit(self, node: Any) -> Any:
        """Note the node's positions."""
        self.starts += [tuple(position[0]) for position in self.operator.mutation_positions(node)]
        return node


def operator_of(name: str) -> Any:
    """The operator with its defaults."""
    return get_operator(f"core/{name}")()


def left_out(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The spans that are not changed: annotations, the decorators of classes, the table of models."""
    nodes: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            nodes += node.decorator_list
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Model":
            nodes.append(node)
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation:
            nodes.append(node.annotation)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
            nodes.append(node.returns)
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes]  # type: ignore[attr-defined]


def mutants_of(module: str) -> list[Mutant]:
    """All mutants of a module."""
    source = (ROOT / module).read_text("utf-8")
    lines = source.splitlines()
    kept = left_out(ast.parse(source))
    mutants, parsed = [], get_ast(source)
    for name in OPERATORS:
        positions = Positions(operator_of(name))
        positions.walk(parsed)
        for occurrence, (line, column) in enumerate(positions.starts):
            at = (line, len(lines[line - 1][:column].encode()))  # ast counts bytes
            if lines[line - 1][column : column + 2] in ("*,", "/,"):
                continue  # a mark between parameters
            mutant = Mutant(module, name, occurrence, line)
            if not any(start <= at < end for start, end in kept) and (
                ":=" not in lines[line - 1] or _is_python(mutant)
            ):
                mutants.append(mutant)
    return mutants


def _is_python(mutant: Mutant) -> bool:
    """Whether a change can be compiled: a `not` before an assignment within a condition cannot."""
    try:
        compile(mutated(mutant), mutant.module, "exec")
    except SyntaxError:
        return False
    return True


def sample(mutants: list[Mutant], size: int) -> list[Mutant]:
    """All, or as many as asked for: drawn by chance, the same ones each time, and more of them add to fewer."""
    drawn = random.Random(SEED).sample(mutants, len(mutants))[: size or None]
    return sorted(drawn, key=lambda m: m.line)


class Plugin:
    """Picks and orders the tests; notes which lines each one runs, and how long it takes."""

    def __init__(self, order: list[str] | None, cover: Any = None) -> None:
        self.order, self.cover = order, cover
        self.seconds: dict[str, float] = {}
        self.failures: list[str] = []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Keep the chosen tests, in their order."""
        if self.order is not None:
            by_id = {item.nodeid: item for item in items}
            items[:] = [by_id[one] for one in self.order if one in by_id]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Lines belong to this test from now on."""
        if self.cover:
            self.cover.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up its set-up, call and end."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failures.append(report.nodeid)


def run_pytest(files: list[str], plugin: Plugin | Warm) -> int:
    """The tests, in this process."""
    import pytest

    arguments = ["-x", "-q", "-q", "--tb=short", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported before the forks
    return int(pytest.main([*arguments, *files], plugins=[plugin]))


def forked(work: Any, patience: float) -> int:
    """The exit code of what runs in a child process; -1 where it took too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(COPY / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = 99
        try:
            os.chdir(COPY)
            sys.path.insert(0, str(COPY / "src"))
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    ends = time.monotonic() + patience
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() > ends:
            code = -1
            break
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if code == -1:
        os.waitpid(child, 0)
    return code


def survey(tests: list[str], modules: list[str]) -> dict[str, Any]:
    """Which tests run which lines of the modules, and how long each takes, where nothing is changed."""
    page = COPY / "survey.json"

    def work() -> int:
        import coverage

        cover = coverage.Coverage(data_file=None, include=[str(COPY / module) for module in modules])
        cover.start()
        plugin = Plugin(None, cover)
        code = run_pytest(tests, plugin)
        cover.stop()
        data = cover.get_data()
        lines = {m: data.contexts_by_lineno(str(COPY / m)) for m in modules}
        page.write_text(json.dumps({"lines": lines, "seconds": plugin.seconds, "failures": plugin.failures}))
        return code

    if forked(work, 1200) != 0:
        raise SystemExit(f"without any change the tests fail:\n{(COPY / 'output').read_text()[-4000:]}")
    survey: dict[str, Any] = json.loads(page.read_text())
    return survey


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax of a module as it is."""
    return ast.parse((ROOT / module).read_text("utf-8"))


def statement(mutant: Mutant) -> tuple[range, bool]:
    """The lines of the innermost statement that is changed, of a compound one its head; whether it is in a function."""
    line, body, span, inside = mutant.line, tree_of(mutant.module).body, range(mutant.line, mutant.line + 1), False
    while node := next((n for n in body if _begins(n) <= line <= _ends(n)), None):
        blocks = [one for part in PARTS for one in getattr(node, part, ())]
        ends = _begins(blocks[0]) if blocks else _ends(node) + 1
        span = range(_begins(node), max(ends, _begins(node) + 1))
        if line in span:
            break
        inside = inside or isinstance(node, ast.FunctionDef)
        body = blocks
    return span, inside


PARTS = ("body", "handlers", "orelse", "finalbody", "cases")


def _begins(node: Any) -> int:
    """The first line of a statement with its decorators, or of a case, which has no lines of its own."""
    first = next(iter(getattr(node, "decorator_list", ())), getattr(node, "pattern", node))
    return int(first.lineno)


def _ends(node: Any) -> int:
    """The last line of a statement or of a case."""
    return int((node.body[-1] if isinstance(node, ast.match_case) else node).end_lineno)


def in_function(mutant: Mutant) -> bool:
    """Whether what is changed runs when a function is called, not when the module is imported."""
    return statement(mutant)[1]


def tests_for(mutant: Mutant, lines: dict[str, list[str]], seconds: dict[str, float], budget: float) -> list[str]:
    """The tests that run the changed statement, or all where it is in no function: the fastest first, within budget."""
    span, inside = statement(mutant)
    # What runs when the module is imported is every test's, whoever calls a lambda that stands in it.
    running = {test for n in span for test in lines.get(str(n), ()) if test} if inside else set(seconds)
    chosen, spent = [], 0.0
    for test in sorted(running, key=lambda t: (seconds.get(t, 0.0), t)):
        spent += seconds.get(test, 0.0)
        if chosen and spent > budget:
            break
        chosen.append(test)
    return chosen


def patience(tests: list[str], seconds: dict[str, float]) -> float:
    """How long the tests of a mutant may take before its time counts against it."""
    return 10 + 5 * sum(seconds.get(test, 0.0) for test in tests)


def mutated(mutant: Mutant) -> str:
    """The changed module."""
    changed = mutate_code((ROOT / mutant.module).read_text("utf-8"), operator_of(mutant.operator), mutant.occurrence)
    return str(changed)


@contextmanager
def changed_file(mutant: Mutant) -> Iterator[str]:
    """The copy of the module, changed for a while: it is what tests see that start a process."""
    path, source = COPY / mutant.module, mutated(mutant)
    path.write_text(source, "utf-8")
    try:
        yield source
    finally:
        shutil.copy(ROOT / mutant.module, path)


def anew(mutant: Mutant, tests: list[str], seconds: dict[str, float]) -> int:
    """The exit code of the tests, with everything imported anew: for what runs when a module is imported."""
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    with changed_file(mutant):
        return forked(lambda: run_pytest(files, Plugin(tests)), 20 + patience(tests, seconds))


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and all that are in it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from codes(inner)


def functions_of(path: str) -> list[FunctionType]:
    """Every function of a module that is imported."""
    gc.unfreeze()  # what the tests keep from collection for the processes that they fork is not among the objects
    # `isinstance` would wake what stands for a module that is not imported yet.
    return [one for one in gc.get_objects() if type(one) is FunctionType and one.__code__.co_filename == path]


def replace_code(functions: list[FunctionType], path: str, source: str) -> None:
    """Let the functions run the changed code of their module."""
    changed = {(c.co_qualname, c.co_firstlineno): c for c in codes(compile(source, path, "exec"))}
    for one in functions:
        one.__code__ = changed.get((one.__code__.co_qualname, one.__code__.co_firstlineno), one.__code__)


class Warm:
    """Tries mutants of functions within one run of pytest, each in a process forked after the tests were collected."""

    def __init__(self, trials: list[tuple[Mutant, list[str]]], seconds: dict[str, float], page: Path) -> None:
        self.trials, self.seconds, self.page = trials, seconds, page

    def pytest_runtestloop(self, session: Any) -> bool:
        """Instead of the tests: the mutants, each with its tests."""
        items = {item.nodeid: item for item in session.items}
        functions = functions_of(str(COPY / self.trials[0][0].module))
        with self.page.open("w") as page:
            for mutant, tests in self.trials:
                chosen = [items[test] for test in tests]
                with changed_file(mutant) as source:
                    work = partial(self._try, functions, str(COPY / mutant.module), source, chosen)
                    page.write(f"{forked(work, patience(tests, self.seconds))}\n")
                    page.flush()
        return True

    def _try(self, functions: list[FunctionType], path: str, source: str, chosen: list[Any]) -> int:
        replace_code(functions, path, source)
        for item, after in zip(chosen, [*chosen[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        return 0

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """The first failure is enough."""
        import pytest

        if call.excinfo is not None and not isinstance(call.excinfo.value, pytest.skip.Exception):
            os._exit(1)


def judged(trials: list[tuple[Mutant, list[str]]], seconds: dict[str, float]) -> list[str]:
    """What became of each: see `OUTCOMES`, or untested where no test runs its statement."""
    fast = [trial for trial in trials if trial[1] and in_function(trial[0])]
    page, results = COPY / "outcomes", {mutant: "untested" for mutant, _ in trials}
    if fast:
        files = list(dict.fromkeys(test.partition("::")[0] for _, tests in fast for test in tests))
        forked(lambda: run_pytest(files, Warm(fast, seconds, page)), math.inf)
        for (mutant, _), code in zip(fast, page.read_text().split(), strict=True):
            results[mutant] = OUTCOMES.get(int(code), f"odd {code}")
    for mutant, tests in trials:
        if tests and not in_function(mutant):
            results[mutant] = OUTCOMES.get(code := anew(mutant, tests, seconds), f"odd {code}")
    return list(results.values())


def change(mutant: Mutant) -> str:
    """The changed line, before and after."""
    before = (ROOT / mutant.module).read_text("utf-8").splitlines()
    after = mutated(mutant).splitlines()
    line = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    return f"{before[line].strip()}  ->  {after[line].strip()}"


def copied() -> None:
    """A copy of the tree, so that no change is ever made in the true one; compiled once, but for what changes."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir()
    for name in COPIED:
        source = ROOT / name
        ignored = shutil.ignore_patterns(".venv*", "models", "clients", ".corpus", "__pycache__")
        if source.is_dir():
            shutil.copytree(source, COPY / name, ignore=ignored)
        else:
            shutil.copy(source, COPY / name)


def groups(pattern: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """The groups of modules with the tests of each."""
    for group, parts in tomllib.loads((Path(__file__).parent / "modules.toml").read_text("utf-8")).items():
        for part in parts:
            modules = [f"src/bgecheck/{m}" for m in part["modules"] if pattern in m or pattern == group]
            if modules:
                yield group, modules, [f"tests/{t}" for t in part["tests"]]


def main() -> None:
    """Try the mutants, and print what survived and the figures by module and group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="", help="a group, or a part of a module's name")
    parser.add_argument("--sample", type=int, default=40, help="mutants of each module, drawn by chance; 0 for all")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds of tests for each mutant")
    parser.add_argument(
        "--again", action="store_true", help="only those that survived the last time, or were not drawn"
    )
    parser.add_argument("--count", action="store_true", help="only count the mutants")
    arguments = parser.parse_args()
    if arguments.count:
        for group, modules, _ in groups(arguments.pattern):
            for module in modules:
                print(f"{group:12} {len(mutants_of(module)):5} {module}")
        return
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    os.environ["PYTHONPATH"] = str(COPY / "src")
    copied()
    for name in PRELOADED:
        importlib.import_module(name)
    for group, modules, tests in groups(arguments.pattern):
        if arguments.again:
            modules = [m for m in modules if _pending(results.get(m), arguments.sample)]
            if not modules:
                continue
        began = time.monotonic()
        facts = survey(tests, modules)
        print(f"== {group}: {len(facts['seconds'])} tests, {time.monotonic() - began:.0f} s", flush=True)
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for module in modules:
            for cached in (COPY / module).parent.glob(f"__pycache__/{Path(module).stem}.*.pyc"):
                cached.unlink()
            earlier = {one["name"]: one for one in results.get(module, {}).get("mutants", [])}
            every = mutants_of(module)
            chosen = sample(every, arguments.sample)
            again = [m for m in chosen if not arguments.again or m.name not in earlier or _survivor(earlier[m.name])]
            trials = [(m, tests_for(m, facts["lines"][module], facts["seconds"], arguments.budget)) for m in again]
            for (mutant, tried), outcome in zip(trials, judged(trials, facts["seconds"]), strict=True):
                earlier[mutant.name] = {"name": mutant.name, "outcome": outcome, "tests": len(tried), **asdict(mutant)}
                if _survivor(earlier[mutant.name]):
                    print(f"   {outcome} {mutant.name} ({len(tried)} tests): {change(mutant)}", flush=True)
            outcomes = [earlier[m.name] for m in chosen]
            results[module] = {"group": group, "mutants": outcomes, "of": len(every)}
            RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False))
            print(_line(module, outcomes, len(every)), f"  {time.monotonic() - began:.0f} s", flush=True)
        sys.dont_write_bytecode = False
        del os.environ["PYTHONDONTWRITEBYTECODE"]
    _figures(results)


def _pending(page: dict[str, Any] | None, size: int) -> bool:
    """Whether a module has mutants that survived, or that were not tried."""
    if page is None or len(page["mutants"]) < min(size or page["of"], page["of"]):
        return True
    return any(map(_survivor, page["mutants"]))


def _survivor(entry: dict[str, Any]) -> bool:
    return entry["outcome"] not in ("killed", "slow")


def _line(name: str, outcomes: list[dict[str, Any]], every: int) -> str:
    killed = sum(not _survivor(one) for one in outcomes)
    return f"{name:52} {killed:4} of {len(outcomes):4} killed ({killed / max(1, len(outcomes)):4.0%}); {every} in all"


def _figures(results: dict[str, Any]) -> None:
    print()
    for group in dict.fromkeys(page["group"] for page in results.values()):
        pages = [page for page in results.values() if page["group"] == group]
        for module, page in results.items():
            if page["group"] == group:
                print(_line(module, page["mutants"], page["of"]))
        print(_line(group.upper(), [one for page in pages for one in page["mutants"]], sum(p["of"] for p in pages)))
    everything = [one for page in results.values() for one in page["mutants"]]
    print(_line("ALL", everything, sum(page["of"] for page in results.values())))
    print(dict(Counter(one["outcome"] for one in everything)))


if __name__ == "__main__":
    main()
