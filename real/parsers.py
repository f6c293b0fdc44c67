"""Proves the launch lines that are printed on the parsers of sglang releases: each accepts every one.

usage: parsers.py PYTHON...      each the interpreter of an environment with one release; exit status 1 when one refuses
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from engines import test_log_relaunch, test_refused  # noqa: E402

PARSE = r"""
import argparse, contextlib, importlib.metadata, io, json, sys
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
refused = {}
for line, words in json.load(sys.stdin).items():
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_args(words)
    except SystemExit:
        refused[line] = said.getvalue().splitlines()[-1]
print(json.dumps({"version": importlib.metadata.version("sglang"), "refused": refused}))
"""
"""Run by each release's interpreter: the lines that its parser refuses, with what it says."""


def main() -> None:
    """Every line of every cause, model and setting against every release; wrong lines are to be refused."""
    lines = sorted({line for _, line in test_log_relaunch.lines()})
    wrong = [f"{test_refused.BASE} --max-batch-size 16", f"{test_refused.BASE} --dtype fp16"]
    words = json.dumps({line: shlex.split(line)[3:] for line in (*lines, *wrong)})
    bad = 0
    for python in sys.argv[1:]:
        done = subprocess.run(
            [python, "-c", PARSE], input=words, capture_output=True, text=True, check=True, timeout=600
        )
        answer = json.loads(done.stdout.splitlines()[-1])
        refused = answer["refused"]
        missed = [line for line in wrong if line not in refused]
        unexpected = {line: said for line, said in refused.items() if line not in wrong}
        bad += bool(missed or unexpected)
        print(
            f"{'WRONG' if missed or unexpected else 'ok   '} sglang {answer['version']}: {len(lines)} lines accepted,"
            f" {len(refused)} of {len(wrong)} wrong ones refused"
        )
        for line, said in unexpected.items():
            print(f"      {said}\n      {line}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
