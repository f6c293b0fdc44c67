"""Several requests at the same time, each but one in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bgecheck.model import Unavailable
from bgecheck.model.deadline import ONE_WAIT


def side_by_side(tasks: Mapping[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """What each task brought, all at the same time; a task for which no time is left is missing.

    Raises what a task raises, once all have ended.
    """
    done: dict[Any, Any] = {}
    raised: list[BaseException] = []

    def run(name: Any) -> None:
        try:
            done[name] = tasks[name]()
        except Unavailable:
            pass
        except BaseException as error:
            raised.append(error)

    own, others = list(tasks)[:1], list(tasks)[1:]
    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in others]
    for thread in threads:
        thread.start()
    for name in own:
        run(name)
    wait_for(threads)
    if raised:
        raise raised[0]
    return done


def wait_for(threads: Iterable[threading.Thread]) -> None:
    """Wait until all have ended, in steps: a signal ends the wait within one (`ONE_WAIT`)."""
    for thread in threads:
        while thread.is_alive():
            thread.join(ONE_WAIT)
