"""Shows, fault by fault, which rows about vectors fail on true servers and which cause is named; repeats the right.

usage: vectors.py [REPEATS]      (after setup.sh and setup_old.sh; exit status 0 when all is told rightly)

The servers are the true sglang, and forward passes of transformers with one thing wrong. Each is looked at twice: with
the model's folder and the server's settings, and by its vectors alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prove import HERE, MODEL, OLD_PYTHON, PYTHON, RIGHT, end, free_port, launch_line, started

from bgecheck.checks.embed.texts import TRIPLES
from bgecheck.engines.sglang.discovery import resolve
from bgecheck.model.deadline import Deadline
from bgecheck.run import catalog, engine
from bgecheck.run.context import Context

MEANINGLESS = "embed.semantic,embed.golden"
"""What a model of random weights rightly fails."""
ALONE = "embed.reference"
"""Left out where only the vectors are to be looked at; `embed --only 'embed.*'` leaves the settings out."""
SHAKEN = {"repeatable", "prefix-independent", "batch-equals-single", "order", "concurrent"}
OTHER = "models/st-other/bge-large-zh-v1.5"
VARIANTS = {name: f"models/{name}/bge-large-zh-v1.5" for name in ("nan", "small", "lexical")}
ROWS = (
    *("dimension", "finite", "normalized", "precision", "repeatable", "batch-equals-single", "prefix-independent"),
    *("order", "long-batch", "concurrent", "distinct", "whole-text", "token-count", "semantic", "reference"),
)


class Scene(NamedTuple):
    """What is served, and what must be said of it."""

    name: str
    root: str | None
    """The root cause with folder and settings; None where all is right."""
    rows: frozenset[str]
    """Rows about vectors that must fail, seen by the vectors alone."""
    recipe: str | None = None
    """The recipe that the comparison with the weights names."""
    exit_code: int = 1
    meaning: bool = False
    """Whether the model has a meaning."""
    key: str | None = None
    looks: str = ""
    """How the likeliest suspect begins, where nothing but the vectors is known."""


class Forward(NamedTuple):
    """A scene with transformers, and what is wrong with it."""

    scene: Scene
    wrong: dict[str, Any]


def right(name: str, meaning: bool = False) -> Scene:
    """A scene in which all is right."""
    return Scene(name, None, frozenset(), "cls", 0, meaning)


FORWARD = (
    Forward(right("forward pass, fp32"), {}),
    Forward(right("forward pass, fp16"), {"dtype": "fp16"}),
    Forward(right("forward pass, bf16"), {"dtype": "bf16"}),
    Forward(right("forward pass, a model with meaning", meaning=True), {"folder": VARIANTS["lexical"]}),
    Forward(Scene("mean pooling", "embed.reference", frozenset(), "mean"), {"pooling": "mean"}),
    Forward(Scene("last-token pooling", "embed.reference", frozenset(), "last"), {"pooling": "last"}),
    Forward(
        Scene(
            "another model under the name of one with meaning",
            "embed.reference",
            frozenset({"semantic"}),
            None,
            1,
            True,
            looks="another model",
        ),
        {"folder": OTHER, "reference": VARIANTS["lexical"]},
    ),
    Forward(Scene("no normalisation", "embed.normalized", frozenset({"normalized"}), "cls"), {"raw": True}),
    Forward(Scene("NaN weights", "embed.finite", frozenset({"finite"})), {"folder": VARIANTS["nan"]}),
    Forward(Scene("another model, same shape", "embed.reference", frozenset()), {"folder": OTHER}),
    Forward(
        Scene("another model, 384 dimensions", "embed.dimension", frozenset({"dimension"})),
        {"folder": VARIANTS["small"]},
    ),
    Forward(
        Scene(
            "the query instruction before every text", "embed.token-count", frozenset({"token-count"}), "instruction"
        ),
        {"before": "为这个句子生成表示以用于检索相关文章："},
    ),
    Forward(
        Scene("texts cut at 8 tokens", "embed.reference", frozenset({"whole-text"}), looks="texts truncated"),
        {"cut": 8},
    ),
    Forward(
        Scene(
            "batches answered in reverse",
            "embed.order",
            frozenset({"order", "concurrent"}),
            looks="answers in a different order",
        ),
        {"order": True},
    ),
    Forward(
        Scene(
            "requests in flight mixed up",
            "embed.concurrent",
            frozenset({"concurrent"}),
            looks="requests that contaminate",
        ),
        {"mixed": True},
    ),
    Forward(
        Scene(
            "batches of more than 8 moved by one",
            "embed.order",
            frozenset({"order", "concurrent"}),
            looks="answers in a different order",
        ),
        {"roll": True},
    ),
    Forward(
        Scene(
            "texts sorted by length, answers too",
            "embed.order",
            frozenset({"order"}),
            looks="answers in a different order",
        ),
        {"sorted": True},
    ),
    Forward(
        Scene("texts cut at 128 tokens", "embed.whole-text", frozenset({"whole-text"}), "cls", looks="texts truncated"),
        {"cut": 128},
    ),
    Forward(
        Scene(
            "vectors kept by a text's first 20 characters",
            "embed.whole-text",
            frozenset({"whole-text"}),
            "cls",
            looks="texts truncated",
        ),
        {"kept": 20},
    ),
    Forward(
        Scene("capitals are not made small", "embed.token-count", frozenset({"token-count"}), "cls"), {"cased": True}
    ),
    Forward(
        Scene(
            "mean pooling, padding too",
            "embed.batch-equals-single",
            frozenset({"batch-equals-single"}),
            looks="padding",
        ),
        {"pooling": "mean, padding too"},
    ),
    Forward(
        Scene("no attention mask", "embed.batch-equals-single", frozenset({"batch-equals-single"}), looks="padding"),
        {"unmasked": True},
    ),
    Forward(
        Scene(
            "two servers by turns, one with another model",
            "embed.repeatable",
            frozenset({"repeatable"}),
            looks="differing servers behind one address",
        ),
        {"other": OTHER},
    ),
    Forward(
        Scene("dropout left on", "embed.repeatable", frozenset({"repeatable"}), looks="something random"),
        {"dropout": True},
    ),
    Forward(right("weights in int8, as near as bf16"), {"quantised": 8}),
    Forward(Scene("weights in int4", "embed.reference", frozenset(), "cls"), {"quantised": 4}),
    Forward(Scene("cut to 512 dimensions", "embed.dimension", frozenset({"dimension", "normalized"})), {"dims": 512}),
    Forward(
        Scene("cut to 512 dimensions and normalised", "embed.dimension", frozenset({"dimension"})),
        {"dims": 512, "again": True},
    ),
    Forward(Scene("base64, big-endian", "embed.finite", frozenset({"finite"})), {"form": ">{}f"}),
    Forward(Scene("base64 of float64", "embed.dimension", frozenset({"dimension"})), {"form": "<{}d"}),
)


def called(*words: str) -> tuple[int, dict[str, Any]]:
    """Run the tool; its exit status and its report."""
    patient = ["--timeout", "60s", "--deadline", "240s"]  # two cores may be busy
    line = [sys.executable, "-m", "bgecheck", *words, *patient, "-o", "json"]
    done = subprocess.run(line, capture_output=True, timeout=300)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"no report from bgecheck {words}: {done.stderr.decode()[-2000:]}") from None


class Table:
    """What was seen, told as it comes."""

    def __init__(self) -> None:
        self.wrong = 0
        self.rows: list[tuple[str, dict[str, str], str, str, str]] = []
        self.most = (0, 0)
        self.compared: list[tuple[str, str, int, str]] = []

    def see(self, scene: Scene, url: str, folder: str) -> None:
        """Look at one server twice."""
        key = ["--api-key", scene.key] if scene.key else []
        skip = "embed.golden" if scene.meaning else MEANINGLESS
        common = ["embed", "--full", "--url", url, *key]
        code, whole = called(*common, "--model-path", folder, "--skip", skip)
        alone_code, alone = called(*common, "--only", "embed.*", "--skip", f"{skip},{ALONE}")
        cells, seen = statuses(alone), {name for name, status in statuses(alone).items() if status in ("fail", "warn")}
        cells["reference"] = statuses(whole).get("reference", "")
        values: dict[str, Any] = next((f["values"] for f in whole["findings"] if f["id"] == "embed.reference"), {})
        recipe = f"{values['recipe']} ({values['cosine']:.4f})" if "recipe" in values else None
        roots = whole["root_causes"]
        told = [
            (code == scene.exit_code, f"exit {code}"),
            ((scene.root in roots) if scene.root else not roots, f"roots {roots}"),
            (scene.rows <= seen and (bool(scene.rows) or not seen), f"by the vectors alone {sorted(seen)}"),
            (scene.recipe is None or scene.recipe in str(recipe), f"recipe {recipe}"),
            (suspected(alone).startswith(f"1. {scene.looks}" if scene.looks else ""), f"looks like {suspected(alone)}"),
            (self.spent(whole) and self.spent(alone), "requests and tokens within their bounds"),
        ]
        self.tell(scene.name, told)
        self.rows.append((scene.name, cells, ", ".join(roots), str(recipe or ""), suspected(alone)))
        assert alone_code in (0, 1, 4)

    def spent(self, report: dict[str, Any]) -> bool:
        """Whether the rows kept to what they may cost a server, the long batch apart."""
        sent = next((f["values"].get("sent") for f in report["findings"] if f["id"] == "embed.answers"), None)
        if not sent:
            return True
        # The tokens are the server's own count, which is not ours where it puts words before each text.
        inflated = any(f["id"] == "embed.token-count" and f["status"] in ("fail", "warn") for f in report["findings"])
        tokens = 0 if inflated else sent["tokens"]
        self.most = (max(self.most[0], sent["requests"]), max(self.most[1], tokens))
        return sent["requests"] <= 40 and tokens <= 4000

    def tell(self, name: str, told: list[tuple[bool, str]]) -> None:
        """What holds of a scene and what does not."""
        wrong = [what for good, what in told if not good]
        self.wrong += bool(wrong)
        print(f"{'WRONG' if wrong else 'ok   '} {name}: {'; '.join(wrong or [what for _, what in told])}", flush=True)

    def page(self, repeats: str) -> str:
        """Both tables as a page of the documentation."""
        lines = [
            "# Wrong vectors, fault by row, as seen on true servers",
            "",
            "Written by `make real-vectors`: sglang 0.5.23 and 0.5.3.post3 on CPU, and forward passes of transformers "
            "with one thing wrong; models of random weights, and one built by hand that has a meaning. `X` fails, `!` "
            "warns, a blank passes or does not apply. The rows are judged by the vectors alone; `reference` has the "
            "model's folder. Random weights fail `semantic` and `golden` by themselves: the two rows are left out "
            "there, and another model stands among the suspects, after what the other rows tell.",
            "",
            "| served | " + " | ".join(ROWS) + " |",
            "| --- |" + " --- |" * len(ROWS),
        ]
        marks = {"fail": "X", "warn": "!", "error": "?"}
        for name, cells, *_ in self.rows:
            lines.append(f"| {name} | " + " | ".join(marks.get(cells.get(row, ""), "") for row in ROWS) + " |")
        lines += [
            "",
            "| served | root cause, with folder and settings | recipe found | what the vectors alone look like |",
            "| --- | --- | --- | --- |",
            *(
                f"| {name} | {roots or '-'} | {recipe or '-'} | {looks or '-'} |"
                for name, _, roots, recipe, looks in self.rows
            ),
            "",
            "Without the folder, against the forward pass in fp32: its vectors as recorded, and the server itself.",
            "",
            "| served | compared by | exit | root cause |",
            "| --- | --- | --- | --- |",
            *(f"| {name} | `{option}` | {code} | {roots or '-'} |" for name, option, code, roots in self.compared),
            "",
            f"At most {self.most[0]} requests and {self.most[1]} tokens were sent beside the long batch. {repeats}",
            "",
        ]
        return "\n".join(lines)


def statuses(report: dict[str, Any]) -> dict[str, str]:
    """Row to status, for the rows about vectors."""
    return {f["id"].removeprefix("embed."): f["status"] for f in report["findings"] if f["area"] == "embed"}


def suspected(report: dict[str, Any]) -> str:
    """The ranking of faults that a failing row told."""
    told = [e for f in report["findings"] for e in f["evidence"] if e["subject"] == TOGETHER]
    return str(told[0]["observed"]) if told else ""


TOGETHER = "the rows that fail together look like"
"""How `embed` names what it takes the pattern of failing rows for."""


@contextmanager
def forwarding(scenes: tuple[Forward, ...], logs: Path) -> Iterator[list[str]]:
    """One process with a port for each scene; their addresses."""
    ports = [free_port() for _ in scenes]
    told = [{"port": port, "folder": MODEL, **f.wrong} for port, f in zip(ports, scenes, strict=True)]
    with (logs / "forward.log").open("w+b") as output:
        line = [str(PYTHON), str(HERE / "forward_server.py"), json.dumps(told)]
        process = subprocess.Popen(line, cwd=HERE, stdout=output, stderr=output, start_new_session=True)
        try:
            ends = time.monotonic() + 120
            while b"ready" not in (logs / "forward.log").read_bytes():
                if process.poll() is not None or time.monotonic() > ends:
                    raise SystemExit("the forward passes did not start; see real/logs/forward.log")
                time.sleep(0.3)
            yield [f"http://127.0.0.1:{port}" for port in ports]
        finally:
            end(process)


def ready(url: str, key: str | None) -> None:
    """Wait until the true server answers embeddings."""
    code, report = called(
        *("doctor", "--url", url, "--wait", "3m", "--only", "probe.reachable,probe.ready"),
        *(["--api-key", key] if key else []),
    )
    if code:
        raise SystemExit(f"{url} was not ready: {report['root_causes']}")


def compared(table: Table, urls: dict[str, str], logs: Path) -> None:
    """Without the model's folder: against vectors recorded from a right server, and against that server itself."""
    record = logs / "recorded.jsonl"
    record.unlink(missing_ok=True)
    right_url = urls["forward pass, fp32"]
    code, _ = called("embed", "--url", right_url, "--record", str(record), "--skip", MEANINGLESS)
    table.tell("recorded from the forward pass in fp32", [(code == 0 and record.exists(), f"exit {code}")])
    for name, wanted in (("forward pass, fp16", 0), ("mean pooling", 1), ("another model, same shape", 1)):
        for option, value in (("--reference", str(record)), ("--against", right_url)):
            code, report = called("embed", "--url", urls[name], option, value, "--skip", MEANINGLESS)
            roots = report["root_causes"]
            seen = [(code == wanted, f"exit {code}"), (roots == ["embed.reference"] * wanted, f"roots {roots}")]
            table.tell(f"{name}, {option} of the one in fp32", seen)
            table.compared.append((name, option, code, ", ".join(roots)))


def sglang(table: Table, logs: Path) -> list[tuple[str, str]]:
    """The true server with each setting; the time of the repeats is spent on the right ones while they are up."""
    off, chunk_off = ["--disable-radix-cache"], ["--chunked-prefill-size", "-1"]
    share = ["--mem-fraction-static", "0.5"]
    both = frozenset(SHAKEN | {"long-batch"})
    scenes: list[tuple[Scene, list[str], str]] = [
        (right("sglang, right settings (fp16)"), RIGHT, MODEL),
        (right("sglang, right settings, fp32"), [*RIGHT, "--dtype", "float32"], MODEL),
        (right("sglang, right settings, bf16"), [*RIGHT, "--dtype", "bfloat16"], MODEL),
        (right("sglang, right settings, a model with meaning", meaning=True), RIGHT, VARIANTS["lexical"]),
        (
            Scene("sglang, defaults", "launch.prefix-cache", both, looks="prefix cache and chunked prefill"),
            share,
            MODEL,
        ),
        (
            Scene("sglang, prefix cache on", "launch.prefix-cache", frozenset(SHAKEN), looks="prefix cache on a"),
            [*chunk_off, *share],
            MODEL,
        ),
        (
            Scene(
                "sglang, chunked prefill on",
                "launch.chunked-prefill",
                frozenset({"long-batch"}),
                looks="chunked prefill",
            ),
            [*off, *share],
            MODEL,
        ),
        (
            Scene(
                "sglang, tokenizer files removed",
                "embed.distinct",
                frozenset({"distinct"}),
                looks="tokenizer files missing",
            ),
            RIGHT,
            NO_TOKENIZER,
        ),
    ]
    told = []
    for number, (scene, options, model) in enumerate(scenes):
        port = free_port()
        with started(launch_line(port, *options, model=model), logs / f"vectors-{number}.log"):
            url = f"http://127.0.0.1:{port}"
            ready(url, None)
            table.see(scene, url, str(HERE / (MODEL if model == NO_TOKENIZER else model)))
            if number < 3:
                told.append(repeated(table, scene.name, url, REPEATS // 5))
    return told


def elsewhere(table: Table, logs: Path) -> None:
    """Faults that other rows than those about vectors tell: a wrong key, and a length cut short."""
    for name, options, key, code, root in (
        ("sglang, wrong key", ["--api-key", "sk-right"], "sk-right", 1, "probe.api-key"),
        ("sglang, --context-length 128", ["--context-length", "128"], None, 0, "launch.context-length"),
    ):
        port = free_port()
        with started(launch_line(port, *RIGHT, *options), logs / "vectors-elsewhere.log"):
            url = f"http://127.0.0.1:{port}"
            ready(url, key)
            given = ["--api-key", "sk-wrong"] if key else []
            found, report = called("doctor", "--url", url, *given, "--skip", MEANINGLESS)
            roots = report["root_causes"]
            table.tell(name, [(found == code, f"exit {found}"), (root in roots, f"roots {roots}")])
            table.rows.append((name, statuses(report), ", ".join(roots), "", ""))


NO_TOKENIZER = "models/no-tokenizer/bge-large-zh-v1.5"


def old(table: Table, logs: Path) -> None:
    """The release that pools the last token."""
    if not OLD_PYTHON.exists():
        print("not run: sglang 0.5.3.post3, built by real/setup_old.sh")
        return
    port = free_port()
    line = launch_line(port, *RIGHT, python=OLD_PYTHON)
    with started(line, logs / "vectors-old.log"):
        url = f"http://127.0.0.1:{port}"
        ready(url, None)
        scene = Scene("sglang 0.5.3.post3, caches off", "launch.pooling", frozenset(), "last")
        table.see(scene, url, str(HERE / MODEL))


def repeated(table: Table, name: str, url: str, times: int) -> tuple[str, str]:
    """All rows again and again on a right server: no alarm."""
    began, alarms = time.monotonic(), []
    areas = catalog.select(catalog.areas(["launch", "embed"]), skip=MEANINGLESS.split(","))
    for _ in range(times):
        context = Context(resolve(url=url, model_path=str(HERE / MODEL)), Deadline(60))
        alarms += [f.id for f in engine.run(areas, context) if f.status.bad]
        context.close()
    seconds = time.monotonic() - began
    table.tell(f"{name}, {times} times", [(not alarms, f"alarms {alarms}, {seconds:.0f} s")])
    return name, f"{times} runs, {len(alarms)} alarms"


REPEATS = int(sys.argv[1]) if len(sys.argv) > 1 else 200


def prepared() -> None:
    """The models that the scenes need."""
    triples = HERE / "models/triples.json"
    triples.parent.mkdir(exist_ok=True)
    triples.write_text(json.dumps(TRIPLES), encoding="utf-8")
    import os
    import shutil

    for folder, seed in ((MODEL, "7"), (OTHER, "8")):
        if not (HERE / folder / "model.safetensors").exists():
            environment = {**os.environ, "MODEL_SEED": seed}
            line = [str(PYTHON), str(HERE / "make_model.py"), folder]
            subprocess.run(line, cwd=HERE, env=environment, check=True, timeout=300)
    line = [str(PYTHON), str(HERE / "make_variants.py"), MODEL, str(triples)]
    subprocess.run(line, cwd=HERE, check=True, timeout=300)
    bare = HERE / NO_TOKENIZER
    shutil.copytree(HERE / MODEL, bare, dirs_exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (bare / name).unlink(missing_ok=True)


def main() -> int:
    """All scenes."""
    logs = HERE / "logs"
    logs.mkdir(exist_ok=True)
    prepared()
    table, began = Table(), time.monotonic()
    with forwarding(FORWARD, logs) as urls:
        for url, forward in zip(urls, FORWARD, strict=True):
            folder = forward.wrong.get("reference") or (
                forward.wrong["folder"] if forward.scene.root is None and "folder" in forward.wrong else MODEL
            )
            table.see(forward.scene, url, str(HERE / folder))
        compared(table, {f.scene.name: url for url, f in zip(urls, FORWARD, strict=True)}, logs)
        told = [repeated(table, f.scene.name, url, REPEATS // 5) for url, f in zip(urls[:2], FORWARD[:2], strict=True)]
    told += sglang(table, logs)
    elsewhere(table, logs)
    old(table, logs)
    runs = "; ".join(f"{name}: {what}" for name, what in told)
    page = table.page(f"Right servers, all rows again and again: {runs}.")
    (HERE.parent / "docs" / "vectors-seen.md").write_text(page, encoding="utf-8")
    seconds = time.monotonic() - began
    print(f"{'all told rightly' if not table.wrong else f'{table.wrong} told wrongly'}, {seconds:.0f} s")
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
