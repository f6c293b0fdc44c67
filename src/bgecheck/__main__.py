"""The way in: answers `--version` without loading anything, else hands over to the command line."""

import atexit
import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run the program on `sys.argv`; the exit code."""
    code = 1  # of a traceback
    atexit.register(lambda: _end_despite_threads(code))  # registered before all others, so it runs after them
    try:
        code = _run()
    except KeyboardInterrupt:
        # Typer answers it while a command runs; before that, while modules are loaded, nobody else does.
        code = 130
    except SystemExit as ending:  # by a signal
        code = ending.code if isinstance(ending.code, int) else 1
        raise
    finally:
        _end_at_once_when_interrupted()
        # Python looks for circles among all that is loaded before it ends: a seventh of the time of `doctor --quick`.
        gc.freeze()
    return code


def _run() -> int:
    if sys.argv[1:] == ["--version"] and _version_is_shown():
        return 0
    _end_in_order_when_killed()
    from bgecheck.cli.main import run

    return run(sys.argv[1:])


def _end_despite_threads(code: int) -> None:
    """End the process here where a thread still waits for a server that hangs.

    The C library's own end would take OpenSSL's memory from under a thread that reads certificates: SIGSEGV in place
    of the exit code, in one of some forty interrupted runs.
    """
    threading = sys.modules.get("threading")
    if threading and threading.active_count() > 1:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # full, closed, or None
                stream.flush()
        os._exit(code)


def _version_is_shown() -> bool:
    """Answer the option that Typer has as well, in a quarter of the time; False where stdout cannot be written."""
    from bgecheck import __version__

    try:
        sys.stdout.write(f"bgecheck {__version__}\n")
        sys.stdout.flush()
    except (OSError, AttributeError):  # full, or closed and None
        return False
    return True


def _end_in_order_when_killed() -> None:
    """Let `kill` and a closed terminal end a run as Ctrl-C does: what was started is ended, the cursor is shown."""
    import signal

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # What the starter ignores (nohup) stays ignored.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))


def _end_at_once_when_interrupted() -> None:
    """The answer is given: a Ctrl-C while modules are unloaded has nothing to interrupt, and no traceback to show."""
    signal = sys.modules.get("signal")
    if signal and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
