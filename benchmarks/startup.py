"""Start-up as a ratio to `python -c pass`, interleaved medians.

usage: startup.py [ROUNDS]        exit status 1 when a bound is exceeded
"""

from __future__ import annotations

import sys

from rounds import medians, program

BOUNDS = {"--version": 1.75, "schema": 6.0, "--help": 6.5}
"""`schema` stands for a command that does nothing: it prints a file."""


def main() -> int:
    """Print the ratios beside their bounds."""
    commands = {"pass": [sys.executable, "-c", "pass"], **{word: [*program(), word] for word in BOUNDS}}
    taken = medians(commands, int(sys.argv[1]) if len(sys.argv) > 1 else 21)
    base = taken.pop("pass")
    print(f"python -c pass        {base * 1000:6.1f} ms")
    over = 0
    for word, median in taken.items():
        ratio = median / base
        over += ratio > BOUNDS[word]
        print(f"bgecheck {word:12} {median * 1000:6.1f} ms   {ratio:5.2f} x   at most {BOUNDS[word]}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
