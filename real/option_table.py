"""Writes the launch options of sglang releases, as their own parsers have them, into the table that bgecheck ships.

usage: option_table.py PYTHON...      each the interpreter of an environment with one release of sglang
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parent.parent / "src/bgecheck/engines/sglang/releases.json"

READ = r"""
import argparse, importlib.metadata, json
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
KINDS = {"int": "int", "float": "float", "human_readable_int": "size", "loads": "json", "json_list_type": "json"}
options = {}
for action in parser._actions:
    names = [name[2:] for name in action.option_strings if name.startswith("--")]
    if not names or "help" in names:
        continue
    own = action.dest.replace("_", "-")
    off = [name for name in names if name.startswith("no-") and type(action) is argparse.BooleanOptionalAction]
    names = [name for name in names if name not in off]
    names.sort(key=lambda name: (name != own, len(name)))
    option = {"aliases": names[1:] + off} if names[1:] + off else {}
    kind = getattr(action.type, "__name__", None)
    if action.nargs == 0:
        option["switch"] = True
    elif action.nargs is not None:
        option["nargs"] = action.nargs
    if action.choices is not None:
        option["choices"] = sorted(map(str, action.choices))
    if kind in KINDS:
        option["type"] = KINDS[kind]
    if type(action).__name__.startswith("Deprecated"):
        option["deprecated"] = (getattr(action, "new_flag", None) or "").lstrip("-")
        try:
            action(parser, argparse.Namespace(), [], action.option_strings[0])
        except (ValueError, SystemExit):
            option["retired"] = True
        except Exception:
            pass
    options[names[0]] = option
print(json.dumps({"version": importlib.metadata.version("sglang"), "options": options}))
"""
"""Run by each release's interpreter; the name of an option is that of its setting, its other names are aliases."""


def read(python: str) -> tuple[str, dict[str, Any]]:
    """The version of a release and its options by name."""
    done = subprocess.run([python, "-c", READ], capture_output=True, text=True, check=True, timeout=300)
    table = json.loads(done.stdout.splitlines()[-1])
    return table["version"], table["options"]


def main() -> None:
    """One line for each release, so that a change of one is one line of the file."""
    releases = dict(sorted(map(read, sys.argv[1:]), key=lambda release: numbers(release[0])))
    lines = [f"  {json.dumps(version)}: {json.dumps(options)}" for version, options in releases.items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    for version, options in releases.items():
        print(f"{version}: {len(options)} options")


def numbers(version: str) -> list[int]:
    """A version as numbers, to be sorted by."""
    return [int(part) for part in version.replace("post", "").split(".")]


if __name__ == "__main__":
    main()
