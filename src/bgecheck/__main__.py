"""The way in: answers `--version` without loading anything, else hands over to the command line."""

import sys


def main() -> None:
    """Run the program on `sys.argv`."""
    if sys.argv[1:] == ["--version"]:
        from bgecheck import __version__

        print(f"bgecheck {__version__}")
        return
    import gc

    # A run makes few cycles and ends soon; looking for them costs a twentieth of it.
    gc.set_threshold(100_000, 20, 20)
    # A collector that waits for a server must not wait five milliseconds more for one that reads a file.
    sys.setswitchinterval(0.0005)
    try:
        from bgecheck.cli import run

        run()
    except SystemExit as ending:
        _leave(ending.code)
    except KeyboardInterrupt:
        # Typer answers it while a command runs; before that, while modules are loaded, nobody else does.
        _leave(130)


def _leave(code: object) -> None:
    """End the process at once: unloading takes longer than a look, and a hung driver call would hold it."""
    import os

    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # The reader has gone (`| head`); there is nobody left to tell.
        pass
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main()
