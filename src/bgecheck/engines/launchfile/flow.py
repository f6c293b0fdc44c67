"""Follows the loops, branches and functions of a shell text: what a variable is in each round, and where it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

_MOST_JUMPS = 500
"""Rounds and calls of one text."""
_MOST_ROUNDS = 64
"""Of one loop; one with more has a variable that is not known."""
_MOST_READ_AGAIN = 2**20
"""Characters of a text that are read more than once."""
_DEEP = 20


@dataclass(slots=True, kw_only=True)
class State:
    """What is set at a place of a text. What is set and not known stands as `$NAME`."""

    plain: dict[str, str]
    arrays: dict[str, tuple[str, ...]] = field(default_factory=dict)
    arguments: tuple[str, ...] | None = None
    """`$1` and those behind it; None where they are those of the script, which nobody knows."""

    def copy(self) -> State:
        """The same, which goes its own way from here."""
        return State(plain=dict(self.plain), arrays=dict(self.arrays), arguments=self.arguments)

    def forget(self, name: str) -> None:
        """From here on a variable is not known."""
        self.plain[name] = f"${name}"
        self.arrays.pop(name, None)


@dataclass(slots=True, kw_only=True)
class _Loop:
    name: str | None
    values: Sequence[str] | None
    """None where they are not known."""
    body: int = -1
    round: int = 0
    learns: State | None = None
    """What was set before the body, while that is read to see what it changes; nobody knows how often."""


@dataclass(slots=True, kw_only=True)
class _Branches:
    """`if` or `case`: of its branches one is taken."""

    before: State
    is_case: bool
    ends: list[State] = field(default_factory=list)
    has_else: bool = False
    leaves: bool = False
    """Whether the branch that is read now ends the script."""


@dataclass(slots=True, kw_only=True)
class _Group:
    """Braces; those of a function that is defined here, or is called, have more."""

    defines: str | None = None
    body: int = 0
    before: State | None = None
    back: int | None = None
    """Where it goes on behind the call."""
    arguments: tuple[str, ...] | None = None
    """Of who has called."""
    replaced: Mapping[str, str | None] = field(default_factory=dict)
    """What variables were before the call that it sets for itself."""


def _defines(frame: object) -> bool:
    return isinstance(frame, _Group) and frame.defines is not None


class Flow:
    """Where a reader of a text stands within its loops, branches and functions."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.frames: list[_Loop | _Branches | _Group] = []
        self.bodies: dict[str, int] = {}
        """Where the body of each function begins."""
        self.called: set[str] = set()
        self.jumps = 0
        self.read_again = 0

    @property
    def defining(self) -> bool:
        """Whether what is read does not run yet: the body of a function, or of a loop that is read twice."""
        return any(frame.learns if isinstance(frame, _Loop) else _defines(frame) for frame in self.frames)

    def loop(self, name: str | None, values: Sequence[str] | None) -> None:
        """A loop begins; one that no variable counts has no name."""
        if values is not None and (len(values) > _MOST_ROUNDS or self.jumps + len(values) > _MOST_JUMPS):
            values = None
        self.frames.append(_Loop(name=name, values=values or None))

    def body(self, at: int) -> None:
        """`do`: the body of the loop begins."""
        if self.frames and isinstance(loop := self.frames[-1], _Loop) and loop.body < 0:
            loop.body = at
            loop.learns = self.state.copy() if loop.values is None and not self.defining else None
            self._begin_round(loop)

    def done(self, at: int) -> int | None:
        """Where the next round begins; None behind the last one, whose end is here."""
        if not self.frames or not isinstance(loop := self.frames[-1], _Loop):
            return None
        if loop.learns is not None:
            end, before, loop.learns = self.state.copy(), loop.learns, None
            self._set(before)
            _merge(self.state, end)
            self._begin_round(loop)
            return loop.body
        loop.round += 1
        if loop.values is None or loop.round >= len(loop.values) or loop.body < 0 or self.defining:
            self.frames.pop()
            return None
        self.jumps += 1
        self.read_again += at - loop.body
        if self.read_again > _MOST_READ_AGAIN:
            loop.values = None  # one more round stands for all that are left
        self._begin_round(loop)
        return loop.body

    def _begin_round(self, loop: _Loop) -> None:
        if loop.name is None:
            return
        if loop.values is None:
            self.state.forget(loop.name)
        else:
            self.state.plain[loop.name] = loop.values[loop.round]

    def branch(self, is_case: bool) -> None:
        """`if` or `case` begins."""
        self.frames.append(_Branches(before=self.state.copy(), is_case=is_case))

    def next_branch(self, is_case: bool, is_last: bool = False) -> None:
        """`else`, `elif` or `;;`: another branch begins, with what was set before all of them."""
        if self.frames and isinstance(frame := self.frames[-1], _Branches) and frame.is_case is is_case:
            self._end_branch(frame)
            frame.has_else = is_last
            self._set(frame.before.copy())

    def end_branches(self, is_case: bool) -> None:
        """`fi` or `esac`: what the branches have left different is not known from here on."""
        if not self.frames or not isinstance(frame := self.frames[-1], _Branches) or frame.is_case is not is_case:
            return
        self.frames.pop()
        if not is_case or _differ(frame.before, self.state):
            self._end_branch(frame)
        elif not frame.ends:
            frame.ends.append(self.state.copy())
        first, *others = frame.ends or [frame.before]
        merged = first.copy()
        for other in others:
            _merge(merged, other)
        if not others and not frame.has_else:
            _merge(merged, frame.before, grown_is_fine=True)
        self._set(merged)

    def leave(self) -> None:
        """`exit` or `return`: nothing goes on behind this branch."""
        if self.frames and isinstance(frame := self.frames[-1], _Branches):
            frame.leaves = True

    def _end_branch(self, frame: _Branches) -> None:
        if not frame.leaves:
            frame.ends.append(self.state.copy())
        frame.leaves = False

    def _set(self, state: State) -> None:
        self.state.plain, self.state.arrays, self.state.arguments = state.plain, state.arrays, state.arguments

    def may_set(self, name: str, value: str) -> None:
        """A variable gets a value behind `&&` or `||`: perhaps, and then it had none or is to have more."""
        before = self.state.plain.get(name)
        if before is None or value.startswith(before):
            self.state.plain[name] = value
        else:
            self.state.forget(name)

    def subshell(self) -> None:
        """`(` begins commands whose variables are their own."""
        self.frames.append(_Group(before=self.state.copy()))

    def end_subshell(self) -> None:
        """`)`: what was set before counts again."""
        if self.frames and isinstance(group := self.frames[-1], _Group) and group.before and not group.defines:
            self.frames.pop()
            self._set(group.before)

    def group(self) -> None:
        """`{` begins commands that belong together."""
        self.frames.append(_Group())

    def define(self, name: str, body: int) -> None:
        """A function begins, whose commands run when it is called."""
        self.frames.append(_Group(defines=name, body=body, before=self.state.copy()))

    def call(self, name: str, arguments: tuple[str, ...] | None, given: Mapping[str, str], back: int) -> int | None:
        """Where the body of a function begins; None where it cannot be followed. `given` are variables of its own."""
        calls = sum(isinstance(frame, _Group) and frame.back is not None for frame in self.frames)
        spent = self.jumps >= _MOST_JUMPS or calls >= _DEEP or self.read_again > _MOST_READ_AGAIN
        if name not in self.bodies or self.defining or spent:
            return None
        self.jumps += 1
        self.called.add(name)
        self.frames.append(_Group(body=self.bodies[name], back=back, arguments=self.state.arguments))
        group, plain = self.frames[-1], self.state.plain
        assert isinstance(group, _Group)
        group.replaced = {name: plain.get(name) for name in given}
        plain.update(given)
        self.state.arguments = arguments
        return self.bodies[name]

    def close(self, at: int) -> int | None:
        """`}`: where it goes on behind a call; None where it does right here."""
        if not self.frames or not isinstance(group := self.frames[-1], _Group):
            return None
        self.frames.pop()
        if group.defines is not None and group.before is not None:
            self.bodies[group.defines] = group.body
            self._set(group.before)
        if group.back is not None:
            self.read_again += at - group.body
            self.state.arguments = group.arguments
        for name, value in group.replaced.items():
            self.state.plain.pop(name, None)
            self.state.plain |= {} if value is None else {name: value}
        return group.back

    def uncalled(self, end: int) -> int | None:
        """At the end of a text: where a function begins that nobody has called in it; None behind the last one.

        One whose brace is not closed runs as if it stood there without being one.
        """
        if open_one := next((f for f in self.frames if isinstance(f, _Group) and f.defines), None):
            self.frames.clear()
            return open_one.body
        self.frames.clear()
        name = next((name for name in self.bodies if name not in self.called), None)
        if name is None:
            return None
        self.called.add(name)
        self.frames.append(_Group(body=self.bodies[name], back=end, arguments=None))
        self.state.arguments = None
        return self.bodies[name]


def _merge(merged: State, other: State, *, grown_is_fine: bool = False) -> None:
    """Keep of each variable what both have, which is how its value begins where that is several words.

    `grown_is_fine` keeps also what begins with all that the other has.
    """
    for name in {*merged.plain, *other.plain}:
        value, another = merged.plain.get(name), other.plain.get(name)
        if grown_is_fine and (another is None or (value or "").startswith(another)):
            continue
        if value != another:
            both = _common((value or "").split(), (another or "").split())
            merged.plain[name] = " ".join([*both, f"${name}"])
    for name in {*merged.arrays, *other.arrays}:
        items, others = merged.arrays.get(name, ()), other.arrays.get(name, ())
        if grown_is_fine and items[: len(others)] == others:
            continue
        if items != others:
            merged.arrays[name] = (*_common(items, others), f"${{{name}[@]}}")


def _common(words: Sequence[str], others: Sequence[str]) -> list[str]:
    return [one for one, _ in takewhile(lambda both: both[0] == both[1], zip(words, others, strict=False))]


def _differ(before: State, after: State) -> bool:
    return before.plain != after.plain or before.arrays != after.arrays
