"""The settings of the running server, each with its source."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bgecheck.checks.cards import footprint_of, taken
from bgecheck.checks.subject import subject
from bgecheck.engines.base import Changes, Launch, Setting, Sources
from bgecheck.engines.planned import Planned
from bgecheck.engines.server import Server
from bgecheck.engines.sglang import engine as sglang
from bgecheck.engines.sglang.arguments import Verdict, cut_off, mended, verdict, without_shell
from bgecheck.engines.sglang.footprint import Footprint, fitting_share
from bgecheck.engines.sglang.launchline import EXAMPLE, typed
from bgecheck.engines.sglang.options import ENCODER_OPTIONS, FROM_MODELSCOPE, MEMORY_SHARE
from bgecheck.engines.sglang.releases import around, newest
from bgecheck.engines.sglang.remedies import UPGRADE, with_upgrade
from bgecheck.engines.sglang.running import reported_options
from bgecheck.engines.sglang.serverargs import server_args
from bgecheck.engines.sglang.settings import COMMAND_LINE
from bgecheck.knowledge.models import Model, looks_both_ways, lookup
from bgecheck.machine.files import model_config
from bgecheck.machine.limits import cores
from bgecheck.model import Area, Evidence, Outcome, Shell, Target, Text, Unavailable, absent, holds
from bgecheck.reference.folder import is_hub_id, on_hub

if TYPE_CHECKING:
    from bgecheck.machine.gpus import Gpu
    from bgecheck.run.context import Context


NOWHERE = Text("", "")
SHARE = MEMORY_SHARE.removeprefix("--")


class LaunchFacts(NamedTuple):
    """The settings of the running server, from what it says of itself, else from its command line."""

    settings: Mapping[str, Setting]
    launch: Launch | None
    """How it was started; None when no command line is known."""
    architectures: tuple[str, ...]
    model_name: str | None
    place: Text = NOWHERE
    """Where its launch line stands, as a remark."""
    stop: Shell | None = None
    """The command that stops the server; None where its process is not known."""
    planned: Planned | None = None
    """What is to be launched, where nothing runs yet; then `launch` is what its line would be without its faults."""
    verdict: Verdict | None = None
    """What the releases that it may run on make of its line."""
    positions: int | None = None
    """Tokens that the model has positions for, by its config.json."""
    footprint: Footprint | None = None
    """What it takes of each of its cards; None where the model's size is not known."""
    gpus: tuple[Gpu, ...] = ()
    """The GPUs that it will run on, as far as they can be read."""
    amx: bool | None = None
    """Whether the processor of a planned launch has AMX; None where that is not known."""

    @property
    def device(self) -> str | None:
        """What it computes on, where that is said; of a planned launch what it will take."""
        setting = self.get("device")
        return str(setting.value) if setting else "cuda" if self.gpus else None

    @property
    def capability(self) -> tuple[int, int] | None:
        """The compute capability of its cards; None where they differ or are not known."""
        capabilities = {gpu.capability for gpu in self.gpus}
        return capabilities.pop() if len(capabilities) == 1 else None

    @property
    def share(self) -> str:
        """A memory share for an encoder that starts where it is to run."""
        free = min((gpu.free for gpu in self.gpus if gpu.free is not None), default=None)
        usual = ENCODER_OPTIONS[SHARE]
        if self.footprint is None or free is None or self.footprint.fits(float(usual), free):
            return usual
        fitting = fitting_share(self.footprint, free)
        return usual if fitting is None else f"{fitting:g}"

    def get(self, name: str) -> Setting | None:
        """The setting, or None when nobody tells it."""
        return self.settings.get(name)

    @property
    def flags(self) -> Mapping[str, str] | None:
        """Launch options as typed, by long name; None when no command line is known."""
        return self.launch.options if self.launch else None

    @property
    def release(self) -> tuple[int, int, int] | None:
        """sglang's release as numbers, without its suffix."""
        setting = self.get("version")
        parts = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(setting.value)) if setting else None
        return (int(parts[1]), int(parts[2]), int(parts[3])) if parts else None

    @property
    def pools_last_for_good(self) -> bool:
        """Whether no option makes this release pool by [CLS] as the model needs: BertModel up to 0.5.8 (bert.py)."""
        model, release = self.model, self.release
        bert = "BertModel" in (self.architectures or ((model.architecture,) if model else ()))
        return bert and model is not None and model.pooling == "cls" and release is not None and release <= (0, 5, 8)

    @property
    def model(self) -> Model | None:
        """What the registry knows of the model."""
        return lookup(self.model_name)

    @property
    def bidirectional(self) -> bool | None:
        """Whether the model looks both ways, by its own page, its architecture or its name; None when none tells."""
        if setting := self.get("bidirectional_attention"):
            return bool(setting.value)
        bidirectional = looks_both_ways(self.architectures)
        return self.model.bidirectional if bidirectional is None and self.model else bidirectional


AREA = Area("launch", seconds=20.0, needs=("probe.reachable",))


@AREA.collect
def collect(context: Context) -> LaunchFacts:
    """Ask the server's own pages, and read its command line where the process can be seen; or what is planned."""
    if context.settings.before_launch:
        return _of_plan(context)
    server = context.server()
    info, settings = server.model_info() or {}, server.server_info() or {}
    launch = _launch(context.target, settings)
    flags = launch.options if launch else None
    logged = {} if settings else _logged(context)
    if not settings and not info and not logged and flags is None:
        raise Unavailable(
            Text(
                "the server shows no settings and its process cannot be seen", "服务没有给出启动参数，也看不到它的进程"
            ),
            looked=False,
        )
    sources = Sources(model_page=info, settings_page=settings, options=flags, logged=logged)
    path = _string(info.get("model_path")) or _string(logged.get("model_path")) or context.target.model_path
    return LaunchFacts(
        settings=sglang.settings(sources) | _longest(server),
        launch=launch,
        architectures=_architectures(info, context.target),
        model_name=_registered(path, context.target.model, _string(info.get("served_model_name"))),
        place=sglang.place(context.target.server) if context.target.server else NOWHERE,
        stop=sglang.stop(context.target.server) if context.target.server else None,
    )


def _of_plan(context: Context) -> LaunchFacts:
    """The settings that a planned launch asks for."""
    planned = context.planned
    if planned is None:
        raise Unavailable(
            Text(f"no launch command was given; for example: {EXAMPLE}", f"没有给出启动命令；例如：{EXAMPLE}"),
            looked=False,
        )
    judged = verdict(planned.written.words, around(planned.version), planned.configured)
    judged = judged._replace(faults=(*judged.faults, *cut_off(planned.written), *without_shell(planned.written)))
    of_file: Mapping[str, str] = planned.configured.options if planned.configured else {}
    options = {**of_file, **typed(mended(planned.written.words, judged.changes)).options}
    folder = _cached(context)
    config = model_config(folder) if folder else {}
    name = _registered(folder, planned.model, planned.served_name)
    model = lookup(name)
    sources = Sources(model_page={}, settings_page={}, options=options, logged={})
    return LaunchFacts(
        settings=_placed(sglang.settings(sources) | _asked(planned, options, model), planned),
        launch=replace(planned.launch, options=options),
        architectures=_architectures_of(config) or ((model.architecture,) if model and model.architecture else ()),
        model_name=name,
        planned=planned,
        verdict=judged,
        positions=_positions(config),
        footprint=footprint_of(folder or planned.model, options),
        gpus=_gpus(context, planned),
        amx=None if planned.contained or not (flags := cores().flags) else "amx_tile" in flags,
    )


def _cached(context: Context) -> str | None:
    """The model's folder; of a hub id the one that the cache of the server's user has for it, else the id."""
    given = context.target.model_path
    if not given or os.path.lexists(given) or not is_hub_id(given):
        return given
    server = subject(context)
    if server.elsewhere:
        return given
    wanted = server.environment.get(FROM_MODELSCOPE, "").lower() in ("1", "true")
    return on_hub(given, server.environment, from_modelscope=wanted).folder or given


def _asked(planned: Planned, options: Mapping[str, str], model: Model | None) -> dict[str, Setting]:
    """The release that will run, the device, and the longest text that is asked for, else the model's own."""
    asked = {}
    if planned.version and planned.version_source:
        asked["version"] = Setting(planned.version, planned.version_source)
    if "device" in options:
        asked["device"] = Setting(options["device"], COMMAND_LINE)
    longest = options.get("context-length")
    if longest is not None and longest.isdigit():
        asked["max_model_len"] = Setting(int(longest), COMMAND_LINE)
    elif longest is None and model is not None:
        asked["max_model_len"] = Setting(model.max_tokens, Text("the model's own", "模型自身"))
    return asked


def _placed(settings: Mapping[str, Setting], planned: Planned) -> dict[str, Setting]:
    """The settings, those of a file of options with the line of that file as their source."""
    configured, line = planned.configured, planned.launch
    entries = configured.entries if configured else ()
    places = {entry.words[0].lstrip("-").replace("-", "_"): entry.line for entry in entries}
    return {
        name: setting._replace(source=f"{configured.path}:{places[name]}")
        if configured and name in places and name.replace("_", "-") not in line.options
        else setting
        for name, setting in settings.items()
    }


def _positions(config: Mapping[str, Any]) -> int | None:
    positions = config.get("max_position_embeddings")
    return positions if isinstance(positions, int) and positions > 0 else None


def _gpus(context: Context, planned: Planned) -> tuple[Gpu, ...]:
    """The GPUs that a launch takes; none where none can be read, or it takes none."""
    if planned.contained or planned.options.get("device", "cuda") != "cuda":
        return ()
    try:
        return taken(context.gpus().gpus, planned)
    except Unavailable:
        return ()


def _registered(*names: str | None) -> str | None:
    """The first name that the registry knows, else the last one."""
    return next((name for name in names if lookup(name)), names[-1])


def _launch(target: Target, settings: Mapping[str, Any]) -> Launch | None:
    if target.server:
        return sglang.launch_of(target.server)
    options = reported_options(settings)
    return None if options is None else Launch(options=options)


def _longest(server: Server) -> dict[str, Setting]:
    longest = server.max_model_len()
    return {} if longest is None else {"max_model_len": Setting(longest, "/v1/models")}


def _logged(context: Context) -> Mapping[str, Any]:
    """The arguments in the server's log, of its newest start; empty where there is no log to read."""
    session = context.logged_session()
    return server_args(session.args) if session else {}


def _architectures(info: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """From the server's page (0.5.6 on), else from config.json in the model folder of a local server."""
    architectures = info.get("architectures")
    if not isinstance(architectures, list):
        return _architectures_of(model_config(target.model_path)) if target.is_local and target.model_path else ()
    return tuple(str(name) for name in architectures)


def _architectures_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    architectures = config.get("architectures")
    return tuple(str(name) for name in architectures) if isinstance(architectures, list) else ()


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


RESTART = ("{upgrade}", "{stop}", "{launch_line}")
"""The commands of a row whose outcome has the values of `restart`."""


def restart(facts: LaunchFacts, changed: Changes | None = None) -> dict[str, Any]:
    """The values of a broken row: `{changes}`, and `{upgrade}`, `{stop}` and `{launch_line}` where they are known.

    `changed` holds options to change beside what an encoder needs; a model that is none needs nothing of that. Where
    the release itself is at fault, an upgrade is part of every remedy, and the line is one that a new release accepts.
    """
    options = facts.launch.options if facts.launch else {}
    needed = {} if facts.bidirectional is False else sglang.encoder_changes(options, facts.share)
    whole = {**needed, **(changed or {})}
    words, upgrade = sglang.changes_in_words(whole), facts.pools_last_for_good
    words = Text(words.en + facts.place.en, words.zh + facts.place.zh)
    values: dict[str, Any] = {"changes": with_upgrade(words) if upgrade else words}
    values |= {"upgrade": UPGRADE} if upgrade else {}
    values |= {"stop": facts.stop} if facts.stop else {}
    if facts.launch and facts.planned is None:
        values["launch_line"] = sglang.launch_line(facts.launch, whole, newest() if upgrade else None)
    return values


def not_an_encoder(facts: LaunchFacts) -> Outcome | None:
    """The outcome of a row that only concerns bidirectional encoders, where the model is none."""
    if facts.bidirectional is None:
        return absent(Text("the model's architecture is not known", "无法得知模型结构"))
    if facts.bidirectional is False:
        reason = Text("causal: a cached prefix stays valid", "因果注意力，前缀缓存不影响结果")
        return holds(Evidence(Text("attention", "注意力"), reason))
    return None
