"""Several requests at the same time, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bgecheck.model import Unavailable


def side_by_side(tasks: Mapping[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """What each task brought, all at the same time; a task for which no time is left is missing."""
    done: dict[Any, Any] = {}

    def run(name: Any) -> None:
        with suppress(Unavailable):
            done[name] = tasks[name]()

    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done
