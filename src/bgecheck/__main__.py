"""The way in: answers `--version` without loading anything, else hands over to the command line."""

import sys


def main() -> None:
    """Run the program on `sys.argv`."""
    if sys.argv[1:] == ["--version"]:
        from bgecheck import __version__

        print(f"bgecheck {__version__}")
        return
    from bgecheck.cli import run

    run()


if __name__ == "__main__":
    main()
