"""The server as rows about its machine see it: one that runs, or one that is yet to start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bgecheck.engines.planned import Form
from bgecheck.engines.sglang.log.launched import launched
from bgecheck.engines.sglang.log.modelname import model_of
from bgecheck.engines.sglang.log.session import Session
from bgecheck.machine.access import User, this_user, user_named, user_of
from bgecheck.machine.containers import container_of
from bgecheck.machine.processes import variables
from bgecheck.model import Target, Text, Unavailable

if TYPE_CHECKING:
    from bgecheck.engines.planned import Planned
    from bgecheck.run.context import Context


class Subject(NamedTuple):
    """What decides which machine, folder and limits a server has."""

    model_path: str | None
    environment: Mapping[str, str]
    """Of its process, else of this one; keys are among it: never print it."""
    options: Mapping[str, str]
    """Launch options by long name; a switch is `""`."""
    pid: int | None = None
    """Its process, where it runs."""
    starts: bool = False
    """Whether it is yet to start, or to be started again: its last start did not come to an end."""
    asked_for: bool = False
    """Whether the user named the model's folder, so that it has to be there."""
    user: User | None = None
    interpreter: str | None = None
    """The path of the Python that runs it."""
    names: tuple[str | None, ...] = ()
    """What the model is called beside its path, the most telling first."""
    expect_dim: int | None = None
    planned: Planned | None = None
    """What is to be launched, where that is known."""
    elsewhere: Text | None = None
    """Why environment and limits of this program are not those that it has: of a container or unit, or not known."""

    @property
    def in_container(self) -> bool:
        """Whether it runs in a container and this program does not."""
        return self.pid is not None and container_of(self.pid) is not None


def subject(context: Context) -> Subject:
    """The server of a run. Raises `Unavailable`, as not looked at, where it is one of another machine."""
    target = context.target
    if context.settings.before_launch:
        return _planned(context)
    if target.server is None and not target.is_local:
        raise Unavailable(
            Text(
                f"{target.host} is another machine; run bgecheck there to see its files and limits",
                f"{target.host} 是另一台机器；在那台机器上运行 bgecheck 才能看到它的文件和系统限制",
            ),
            looked=False,
        )
    return _running(target) if target.server else _ended(context)


def _running(target: Target) -> Subject:
    server = target.server
    assert server is not None
    environment = variables(server.pid)
    return Subject(
        model_path=target.model_path,
        environment=environment,
        options=server.flags,
        pid=server.pid,
        asked_for=target.model_path is not None and target.model_path != server.model_path,
        user=user_of(server.pid),
        interpreter=_interpreter(server.argv, server.cwd, environment),
        names=(target.model,),
        expect_dim=target.expect_dim,
    )


def _planned(context: Context) -> Subject:
    """A server that is to be launched; without a command the machine as this user has it."""
    target, planned = context.target, context.planned
    own = planned is None or (planned.written.form in (Form.LINE, Form.SCRIPT) and not planned.contained)
    given = {**planned.launch.environment, **planned.written.environment} if planned else {}
    return Subject(
        model_path=target.model_path or (planned.model_path if planned else None),
        environment={**os.environ, **given} if own else given,
        options=planned.options if planned else {},
        starts=True,
        asked_for=not planned.contained or target.model_path != planned.model_path if planned else True,
        user=_user(planned, own),
        interpreter=planned.interpreter if planned else None,
        names=(target.model, planned.served_name if planned else None),
        expect_dim=target.expect_dim,
        planned=planned,
        elsewhere=None if own else Text("it is started in an environment of its own", "它在自己的环境里启动"),
    )


def _user(planned: Planned | None, own: bool) -> User | None:
    """The user that a launch names, else the one that starts it; None where that is not known."""
    if planned is not None and planned.written.user:
        return user_named(planned.written.user)
    return this_user() if own else None


def _interpreter(argv: tuple[str, ...], folder: str | None, environment: Mapping[str, str]) -> str | None:
    word = argv[0] if argv else ""
    if not os.path.basename(word).startswith("python"):
        return None
    return os.path.join(folder or "", word) if "/" in word else shutil.which(word, path=environment.get("PATH"))


def _ended(context: Context) -> Subject:
    """A server without a process that is seen: what its log tells of its last start."""
    target, session = context.target, context.logged_session()
    launch, path = (launched(session), _logged_path(session)) if session else (None, None)
    return Subject(
        model_path=target.model_path or path,
        environment=os.environ,
        options=launch.options if launch else {},
        starts=session is not None and session.ready_line is None,
        asked_for=target.model_path is not None,
        user=this_user(),
        names=(target.model,),
        expect_dim=target.expect_dim,
        elsewhere=Text("with what it was started is not known", "不知道当时是用什么环境启动的"),
    )


def _logged_path(session: Session) -> str | None:
    """The folder that a log names, by its arguments, else by what it could not load; one of another machine is none."""
    complaints = (model_of(hit.text) for hit in session.hits.values())
    path = session.argument("model_path") or next((name for name in complaints if name), None)
    return path if path and os.path.isabs(path) and os.path.lexists(path) else None
