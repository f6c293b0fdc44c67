"""A named Ray actor for each server, which hands out its slots, and how a worker takes one for each request.

The actor belongs to no job, so that all jobs of a cluster share it; where nobody has asked it for a minute it ends.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from bgecheck.cluster.required import required
from bgecheck.cluster.slots import BEAT, Slots
from bgecheck.model import Text, Unavailable

NAMESPACE = "bgecheck"

IDLE = 60.0
"""Seconds without a question after which the actor ends."""

WAIT = 2.0
"""Seconds that one question for a slot waits at the actor."""

_TICK = 0.5
"""Seconds after which a waiting question looks for leases that have run out."""

_ANSWER = 30.0
"""Seconds in which the actor has to answer, its start among them."""


class Gate:
    """The slots of one server, as an actor; `take`, `renew` and `give_back` may be repeated."""

    def __init__(self) -> None:
        context = required().get_runtime_context()
        self._slots = Slots(anew=bool(context.was_current_actor_reconstructed))
        self._freed = asyncio.Condition()
        self._me = context.current_actor
        self._asked = time.monotonic()
        self._ending: asyncio.Task[None] | None = None

    async def take(self, lease: str, most: int) -> bool:
        """Wait a moment for a slot; whether there was one."""
        self._ending = self._ending or asyncio.create_task(self._end_when_idle())
        ends = time.monotonic() + WAIT
        async with self._freed:
            while not self._slots.take(lease, most):
                self._asked = time.monotonic()
                if self._asked >= ends:
                    return False
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), min(_TICK, ends - self._asked))
        return True

    async def renew(self, leases: Sequence[str]) -> None:
        """Hold on to slots."""
        self._asked = time.monotonic()
        self._slots.renew(leases)

    async def give_back(self, lease: str) -> None:
        """Free a slot for whoever waits."""
        self._asked = time.monotonic()
        self._slots.give_back(lease)
        async with self._freed:
            self._freed.notify()

    async def counts(self) -> dict[str, int]:
        """Slots that there are, that are taken, that were taken at once at most, and how often one was given."""
        slots = self._slots
        return {"most": slots.most or 0, "taken": slots.taken, "peak": slots.peak, "given": slots.given}

    async def _end_when_idle(self) -> None:
        while time.monotonic() - self._asked < IDLE:
            await asyncio.sleep(_TICK)
        required().kill(self._me, no_restart=True)


def name_of(url: str) -> str:
    """What the actor of a server is called in `NAMESPACE`."""
    return f"slots {url}"


def gate_of(url: str) -> Any:
    """The actor of a server, started where there is none."""
    options = {
        "name": name_of(url),
        "namespace": NAMESPACE,
        "get_if_exists": True,
        "lifetime": "detached",
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        "max_concurrency": 10_000,
    }
    return required().remote(Gate).options(**options).remote()


class Turns:
    """The turns of one worker at one server; `turn` is a context in which one request is sent."""

    def __init__(self, url: str, most: int, patience: float) -> None:
        """`most` requests are in flight at once at most; a slot is waited for `patience` seconds."""
        self._url, self._most, self._patience = url, most, patience
        self._holder = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._numbers = itertools.count()
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._gate: Any = None
        threading.Thread(target=self._beat, name="slots", daemon=True).start()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a slot, and give it back afterwards. Raises `Unavailable` where none came free in time."""
        lease = f"{self._holder}-{next(self._numbers)}"
        try:
            self._wait(lease)
            with self._lock:  # not before: what is renewed counts as held
                self._held.add(lease)
            yield
        finally:
            with self._lock:  # in this order for the actor too: what is given back is renewed no more
                self._held.discard(lease)
                self._send(lambda gate: gate.give_back.remote(lease))

    def _wait(self, lease: str) -> None:
        ends = time.monotonic() + self._patience
        while time.monotonic() < ends:
            if self._has_taken(lease):
                return
        raise Unavailable(
            Text(
                f"{self._url}: no slot for a request came free in {self._patience:.0f} s; {self._most} are in flight",
                f"{self._url}：{self._patience:.0f} 秒内没有空闲的请求名额；共 {self._most} 个，全部占用",
            )
        )

    def _has_taken(self, lease: str) -> bool:
        """Ask once, for a moment."""
        ray = required()
        try:
            gate = self._gate = self._gate or gate_of(self._url)
            return bool(ray.get(gate.take.remote(lease, self._most), timeout=_ANSWER))
        except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
            self._gate = None  # it has ended, or its node is gone: the next question starts it again
            return False

    def _send(self, message: Callable[[Any], object]) -> None:
        """A message without an answer; where the actor is gone, so is what it knew."""
        if self._gate is not None:
            with suppress(Exception):  # of Ray at its end, of any kind
                message(self._gate)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            with self._lock:
                leases = sorted(self._held)
                if leases:
                    self._send(partial(_renew, leases=leases))


def _renew(gate: Any, leases: list[str]) -> None:
    gate.renew.remote(leases)


def turns(patience: float) -> Callable[[str, int], Callable[[], AbstractContextManager[None]]]:
    """For each server what a request waits for, as `bulk.start.replicas` takes it."""
    return lambda url, most: Turns(url, most, patience).turn
