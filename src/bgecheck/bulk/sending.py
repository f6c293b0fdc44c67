"""Sends batches to the servers side by side, and decides what each answer means for the batch and for the server."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bgecheck.bulk import control
from bgecheck.bulk.errors import GivenUp, WrongVectors
from bgecheck.bulk.options import BulkOptions
from bgecheck.bulk.replica import Outcome, Replica
from bgecheck.bulk.window import Batch, Rejection, Window, batches
from bgecheck.model import Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FAULTS = 4
"""Failures of a server over one batch, after which it is halved, and a single text given up."""

GONE_SECONDS = 15.0
"""After which a server that nobody answers at is left out, where there are others."""

MANY_BAD = 0.5
"""Share of the vectors of a window that cannot be right, from which on it is the server and not the texts."""

SILENT_SECONDS = 10.0
"""After which it is said that a server gives no vectors, and why: until then it may just be busy."""

LAST_ANSWERS = 1.0
"""Seconds for which answers are waited for that nobody needs any more, so that their connections are closed."""

_TICK = 0.25
"""Seconds after which those who wait look around."""


class Sending:
    """The servers at work. `submit` windows, `wait` for them in their order, `stop` in the end."""

    def __init__(self, replicas: Sequence[Replica], options: BulkOptions, note: Callable[[Text], None]) -> None:
        self.replicas = list(replicas)
        self._options = options
        self._note = note
        assert replicas[0].control is not None, "a replica is proved before texts are sent to it"
        self._control = replicas[0].control
        self._unit = control.is_unit(self._control)
        self._changed = threading.Condition()
        self._queue: deque[Batch] = deque()
        self._threads: dict[Replica, list[threading.Thread]] = {replica: [] for replica in replicas}
        self._error: BaseException | None = None
        self._stopped = False
        self.answered = 0
        """Texts that came back with a vector."""

    @property
    def most(self) -> int:
        """Texts of one request that every server takes."""
        return min(replica.texts for replica in self.replicas)

    def submit(self, window: Window) -> None:
        """Send a window's pieces when their turn comes."""
        with self._changed:
            made = batches(window, self.most)
            window.proved = not made
            self._queue.extend(made)
            self._hire()
            self._changed.notify_all()

    def wants_more(self) -> bool:
        """Whether the servers would soon have nothing to do."""
        with self._changed:
            return len(self._queue) < 2 * sum(int(replica.pace.limit) + 1 for replica in self._alive())

    def wait(self, window: Window) -> bool:
        """Wait a moment for a window; whether it is done. Raises what ended the run."""
        with self._changed:
            if not window.is_done and self._error is None:
                self._changed.wait(_TICK)
            if self._error is not None:
                raise self._error
            return window.is_done

    def stop(self) -> None:
        """Send nothing more, and wait a moment for what is in flight; a server that hangs is not waited for."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()
        ends = time.monotonic() + LAST_ANSWERS
        for thread in [thread for threads in self._threads.values() for thread in threads]:
            if thread.is_alive():  # Ctrl-C may have come while it was started
                thread.join(max(0.0, ends - time.monotonic()))

    def _alive(self) -> list[Replica]:
        return [replica for replica in self.replicas if not replica.lost]

    def _hire(self) -> None:
        """A thread for each request that may be in flight."""
        for replica in self._alive():
            threads = self._threads[replica]
            while len(threads) < min(int(replica.pace.limit), len(self._queue) + replica.pace.in_flight):
                threads.append(threading.Thread(target=self._work, args=(replica,), name="bulk", daemon=True))
                threads[-1].start()

    def _work(self, replica: Replica) -> None:
        try:
            while (batch := self._next(replica)) is not None:
                self._send(replica, batch)
        except BaseException as error:
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()

    def _next(self, replica: Replica) -> Batch | None:
        """The next batch for a server, waited for; None where it gets no more."""
        with self._changed:
            while not (self._stopped or replica.lost or self._error):
                if self._queue and replica.pace.is_free():
                    replica.pace.in_flight += 1
                    return self._queue.popleft()
                self._changed.wait(min(_TICK, replica.pace.wait()) or _TICK)
            return None

    def _send(self, replica: Replica, batch: Batch) -> None:
        outcome = replica.ask([piece.text for piece in batch.pieces])
        last = outcome.kind in ("fault", "late") and len(batch.pieces) == 1 and batch.faults + 1 >= FAULTS
        with self._changed:
            replica.pace.in_flight -= 1
        # A server that fails over one text and answers another is not to blame.
        answers = last and self._is_right(replica)
        with self._changed:
            if answers:
                self._close(batch, Rejection("no-answer", outcome.message()))
            else:
                self._take(replica, batch, outcome)
            self._hire()
            self._changed.notify_all()
            window = batch.window
            unproved = not window.open and not window.proved
        if unproved:
            self._prove(window)

    def _take(self, replica: Replica, batch: Batch, outcome: Outcome) -> None:
        match outcome.kind:
            case "vectors":
                self._answered(replica, outcome, batch.tokens)
                self._keep(replica, batch, outcome)
            case "too-long" | "refused":
                replica.failing = None
                if len(batch.pieces) > 1:
                    batch.is_large = True
                    self._halve(batch)
                else:
                    self._close(batch, Rejection(outcome.kind, outcome.message()))
            case "late" | "fault":
                self._trouble(replica, outcome)
                batch.faults += 1
                batch.is_large = outcome.kind == "late"
                if len(batch.pieces) > 1 and (outcome.kind == "late" or batch.faults >= FAULTS):
                    self._halve(batch)
                else:
                    self._queue.append(batch)  # behind others, whose answers show that the server is there
            case "busy" | "gone" | "barred":
                self._trouble(replica, outcome)
                self._queue.appendleft(batch)

    def _answered(self, replica: Replica, outcome: Outcome, tokens: int) -> None:
        replica.failing = None
        replica.pace.answered(outcome.seconds, tokens)

    def _trouble(self, replica: Replica, outcome: Outcome) -> None:
        """Fewer requests to this server; none any more where it has given no vectors for too long."""
        now = time.monotonic()
        replica.pace.troubled(outcome.seconds, outcome.retry_after)
        replica.failing = now if replica.failing is None else replica.failing
        replica.reason = outcome.words
        others = len(self._alive()) > 1
        patience = self._options.patience
        if others and outcome.kind == "gone":
            patience = min(GONE_SECONDS, patience)
        if outcome.kind == "barred" or now - replica.failing > patience:
            self._lose(replica)
            return
        silent = now - replica.failing + outcome.seconds
        if silent > SILENT_SECONDS and replica.reported != replica.failing:
            replica.reported = replica.failing
            self._note(_waiting(replica, silent, patience))

    def _lose(self, replica: Replica) -> None:
        if replica.lost:
            return
        replica.lost = True
        why = Text(f"{replica.url}: {{why}}", f"{replica.url}：{{why}}").filled({"why": replica.reason})
        if self._alive():
            self._note(Text(f"left out from here on: {why.en}", f"此后不再使用：{why.zh}"))
        else:
            self._error = self._error or GivenUp(why)

    def _keep(self, replica: Replica, batch: Batch, outcome: Outcome) -> None:
        """Take the vectors that can be right; ask once more, alone, for those that cannot."""
        assert outcome.matrix is not None
        rows, window = outcome.matrix.rows, batch.window
        self._require_dims(replica, rows)
        problems = self._problems(rows)
        window.servers.add(replica)
        window.tokens += outcome.matrix.tokens or batch.tokens
        window.open -= 1
        self.answered += len(batch.pieces)
        for piece, row, problem in zip(batch.pieces, rows, problems, strict=True):
            if problem is None:
                piece.vector = row
            elif len(batch.pieces) > 1 or not batch.faults:
                window.open += 1
                self._queue.appendleft(Batch(window, [piece], faults=1))
            else:
                piece.rejection = problem
                window.bad += 1
        self._require_few_bad(replica, window)
        if (
            batch.within is not None
            and batch.within.is_large
            and all(piece.vector is not None for piece in batch.within.pieces)
        ):
            # Nothing in it was at fault: the server takes no more texts than half of them.
            replica.texts = min(replica.texts, max(1, len(batch.within.pieces) // 2))

    def _require_dims(self, replica: Replica, rows: NDArray[np.float32]) -> None:
        if rows.shape[1] != len(self._control):
            words = Text(
                f"{replica.url}: vectors of {rows.shape[1]} components, {len(self._control)} before",
                f"{replica.url}：向量变成了 {rows.shape[1]} 维，之前是 {len(self._control)} 维",
            )
            raise WrongVectors(words)

    def _problems(self, rows: NDArray[np.float32]) -> list[Rejection | None]:
        """What is wrong with each row: not finite, zero, or not of length 1 where the model's vectors are."""
        import numpy as np

        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        return [self._problem(float(length)) for length in lengths]

    def _problem(self, length: float) -> Rejection | None:
        if length - length != 0:  # NaN or infinite
            return Rejection("not-finite", "a component is NaN or infinite")
        if length == 0 or (self._unit and not control.UNIT.admits(abs(length - 1))):
            return Rejection("bad-norm", f"length {length:.4g}")
        return None

    def _require_few_bad(self, replica: Replica, window: Window) -> None:
        sent = sum(piece.was_sent for piece in window.pieces)
        if window.bad > max(1, MANY_BAD * sent):
            words = Text(
                f"{replica.url}: {window.bad} of {sent} vectors in a row of texts are zero, NaN or of a wrong length",
                f"{replica.url}：连续的文本里，{sent} 条向量有 {window.bad} 条是零、NaN 或范数不对",
            )
            raise WrongVectors(words)

    def _halve(self, batch: Batch) -> None:
        parts = batch.halves()
        for part in parts:  # one of them is the reason, most likely; a single text is given up only after as many again
            part.faults = FAULTS - 1 if batch.faults and len(part.pieces) > 1 else 0
        batch.window.open += len(parts) - 1
        self._queue.extendleft(reversed(parts))

    def _close(self, batch: Batch, rejection: Rejection) -> None:
        for piece in batch.pieces:
            piece.rejection = rejection
        batch.window.open -= 1

    def _prove(self, window: Window) -> None:
        """Ask each server that answered for a window for the control text, and again for the window where one is lost.

        Its vectors lie then between two right answers of the server that gave them.
        """
        done = time.monotonic()
        for replica in window.servers:
            while replica.proved < done and not replica.lost and not self._stopped:
                self._is_right(replica)
        with self._changed:
            if any(replica.lost and replica.proved < done for replica in window.servers):
                self._send_again(window)
            else:
                window.proved = True
            self._changed.notify_all()

    def _send_again(self, window: Window) -> None:
        """The server that is lost can prove nothing any more, so what it gave is asked of another one."""
        window.servers.clear()
        for piece in window.pieces:
            if piece.was_sent:
                piece.vector = piece.rejection = None
        self._queue.extendleft(batches(window, self.most))
        self._hire()

    def _is_right(self, replica: Replica) -> bool:
        """Whether a server answers the control text, after its pause. Raises `WrongVectors` for another vector."""
        with self._changed:
            pause = replica.pace.wait()
        time.sleep(min(pause, _TICK))
        if pause > _TICK:
            return False
        began = time.monotonic()
        outcome = replica.ask([control.TEXT])
        with self._changed:
            if outcome.matrix is None:
                self._trouble(replica, outcome)
                return False
            replica.failing = None
            replica.proved = began
        self._require_dims(replica, outcome.matrix.rows)
        cosine = control.cosine(outcome.matrix.rows[0], self._control)
        if not control.SAME.admits(cosine):
            words = Text(
                f"{replica.url}: the control text has another vector than at the beginning: cosine {cosine:.4f}, "
                f"expected {control.SAME}",
                f"{replica.url}：对照文本的向量和开始时不同了：余弦相似度 {cosine:.4f}（应为 {control.SAME}）",
            )
            raise WrongVectors(words)
        return True


def _waiting(replica: Replica, silent: float, patience: float) -> Text:
    """What is told, once, of a server that is still waited for."""
    return Text(
        f"{replica.url}: no vectors for {silent:.0f} s: {{why}}; it is asked again, and given up after {patience:g} s",
        f"{replica.url}：已有 {silent:.0f} 秒没有返回向量：{{why}}；会继续重试，满 {patience:g} 秒就放弃",
    ).filled({"why": replica.reason})
