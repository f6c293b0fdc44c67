"""`bgecheck plan MODEL...`: several models on one machine, with the files that start and route to them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context

from bgecheck.cli.app import command
from bgecheck.cli.blank import not_blank, source
from bgecheck.cli.help import examples
from bgecheck.cli.language import both, language
from bgecheck.cli.nearest import one_of
from bgecheck.cli.options import REPORT, Lang, option, whole_number
from bgecheck.cli.output import FOR_PROGRAMS, stdout_screen
from bgecheck.cli.stdout import require_stdout, to_stdout
from bgecheck.model import BadInput, Language, Text, reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bgecheck.placing.placement import Card, Placed

WHERE = both("Which machine", "目标机器")
SHAPES = ("table", "json")
_UNITS = {"": 2**30, "G": 2**30, "M": 2**20, "T": 2**40}
_MOST_CARDS = 64


@command(
    "plan",
    epilog=examples(
        ("bgecheck plan bge-m3=m3 gte-large-zh=gte --gpu-memory 24G", "where", "怎么放"),
        ("bgecheck plan bge-m3 --gpu-memory 24G --write deploy", "with the files", "并写出文件"),
    ),
)
def plan(
    ctx: Context,
    given: Annotated[
        list[str],
        Argument(
            metavar="MODEL[=ALIAS]",
            help=both(
                "Folders, hub ids or known names; the alias is the model's part of the path.",
                "目录、hub id 或已知的模型名；别名用作访问路径",
            ),
        ),
    ],
    gpu_memory: Annotated[
        str | None,
        option(
            "--gpu-memory",
            metavar="SIZE",
            rich_help_panel=WHERE,
            en="Memory of each card of another machine: 24GiB.",
            zh="另一台机器每块卡的显存：24GiB",
        ),
    ] = None,
    gpus: Annotated[
        int | None,
        option(
            "--gpus",
            metavar="N",
            rich_help_panel=WHERE,
            parser=whole_number("--gpus"),
            en="How many such cards it has; else one.",
            zh="有几块这样的卡，默认 1 块",
        ),
    ] = None,
    device: Annotated[
        str | None,
        option("--device", metavar="cpu", rich_help_panel=WHERE, en="Serve on the CPU.", zh="在 CPU 上部署"),
    ] = None,
    host: Annotated[
        str,
        option(
            "--host",
            metavar="ADDRESS",
            rich_help_panel=WHERE,
            en="Where servers and nginx listen.",
            zh="服务和 nginx 监听的地址",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        option(
            "--port",
            metavar="PORT",
            rich_help_panel=WHERE,
            parser=whole_number("--port"),
            en="Of the first server; the others follow, past ports that are taken.",
            zh="第一个服务的端口，其余依次向后，跳过已占用的",
        ),
    ] = 30000,
    gateway_port: Annotated[
        int,
        option(
            "--gateway-port",
            metavar="PORT",
            rich_help_panel=WHERE,
            parser=whole_number("--gateway-port"),
            en="Of nginx.",
            zh="nginx 的端口",
        ),
    ] = 8080,
    sglang_version: Annotated[
        str | None,
        option(
            "--sglang-version",
            metavar="X",
            rich_help_panel=WHERE,
            en="The release that will run; else the newest that is known.",
            zh="将要运行的 sglang 版本，默认取已知最新的",
        ),
    ] = None,
    write: Annotated[
        str | None,
        option("--write", metavar="DIR", rich_help_panel=REPORT, en="Write the files there.", zh="把文件写到这个目录"),
    ] = None,
    overwrite: Annotated[
        bool,
        option("--overwrite", rich_help_panel=REPORT, en="Write over files that are there.", zh="可以覆盖已有的文件"),
    ] = False,
    output: Annotated[
        str,
        option("--output", "-o", metavar="table|json", rich_help_panel=REPORT, en="Format on stdout.", zh="输出格式"),
    ] = "table",
    lang: Lang = None,
) -> None:
    """Work out where each model goes, and print or write what starts them. Nothing is started."""
    from bgecheck.engines.sglang.options import image
    from bgecheck.placing.files import files
    from bgecheck.placing.models import models
    from bgecheck.placing.placement import Machine, placed

    chosen, version = language(lang), _version(sglang_version)
    if source(ctx, "output") == "ENVIRONMENT" and output not in SHAPES:
        output = SHAPES[0]  # the variable is meant for reports
    one_of("-o", output, SHAPES)
    _ports(port, gateway_port, len(given))
    not_blank("--write", write)
    if not re.fullmatch(r"[\w.:-]+", host):
        raise BadInput(
            f"--host {host}", Text("not an address", "不是地址"), Text("for example 0.0.0.0", "例如 0.0.0.0")
        )
    cards, ports = _machine(device, gpu_memory, gpus), _chosen_ports(gpu_memory is None, port, len(given), gateway_port)
    container = image(sglang_version and version, device)
    machine = Machine(cards=cards, host=host, ports=ports, version=version, image=container, device=device)
    placement = placed(models(given, version), machine)
    texts = files(placement, chosen)
    if write is not None:
        _write(write, texts, overwrite)
    _print(placement, texts, write, output, chosen)


def _version(given: str | None) -> str:
    """The release that will run. Raises `BadInput` for what is no version, or one whose options are not known."""
    from bgecheck.engines.sglang.releases import newest, numbers, releases

    if given is None:
        return newest().version
    wanted = numbers(given.removeprefix("v"))
    if not wanted or wanted < numbers(releases()[0].version):
        oldest = releases()[0].version
        raise BadInput(
            f"--sglang-version {given}",
            Text("no release whose options are known", "不是已知的版本"),
            Text(f"write it as 0.5.23; {oldest} is the oldest", f"写成 0.5.23 这样；最旧支持 {oldest}"),
        )
    return given.removeprefix("v")


def _ports(first: int, gateway: int, count: int) -> None:
    for name, value, room in (("--port", first, count), ("--gateway-port", gateway, 1)):
        if not 1024 <= value <= 65536 - room:
            raise BadInput(
                f"{name} {value}",
                Text(f"no port, or no room for {room} from it on", f"不是可用的端口，或往后放不下 {room} 个"),
                Text("give one from 1024 to 65000", "写 1024 到 65000 之间的端口"),
            )


def _machine(device: str | None, memory: str | None, count: int | None) -> tuple[Card, ...]:
    """The cards that are given, else those of this machine. Raises `BadInput`."""
    from bgecheck.placing.machines import cards_given, cards_here, memory_of_cpu

    if device is not None:
        one_of("--device", device, ("cpu",))
        if memory is not None or count is not None:
            raise BadInput(
                f"--device cpu {'--gpu-memory' if memory is not None else '--gpus'}",
                Text("they exclude each other", "不能同时使用"),
                Text("give one", "只给一个"),
            )
        return memory_of_cpu()
    if count is not None and not 1 <= count <= _MOST_CARDS:
        raise BadInput(
            f"--gpus {count}",
            Text("no number of cards", "不是合理的卡数"),
            Text(f"give 1 to {_MOST_CARDS}", f"写 1 到 {_MOST_CARDS}"),
        )
    if memory is not None:
        return cards_given(_size(memory), count or 1)
    cards = cards_here()
    if count is not None and count > len(cards):
        raise BadInput(
            f"--gpus {count}",
            Text(f"this machine has {len(cards)}", f"本机只有 {len(cards)} 块"),
            Text("of another machine: --gpu-memory 24GiB too", "如果是另一台机器，再加 --gpu-memory 24GiB"),
        )
    return cards[:count]


def _size(given: str) -> float:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)\s*([GMT]?)(?:i?B)?", given.strip(), re.IGNORECASE)
    size = float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
    if not 2**30 <= size <= 2**40:
        raise BadInput(
            f"--gpu-memory {given}",
            Text("not the memory of a card", "不是合理的显存大小"),
            Text("write it as 24GiB", "写成 24GiB 这样"),
        )
    return size


def _chosen_ports(here: bool, first: int, count: int, gateway: int) -> tuple[int, ...]:
    """Ports that are free here; of another machine, whose ports cannot be seen, those that follow each other."""
    from bgecheck.placing.machines import free_ports, ports_given

    return free_ports(first, count, gateway) if here else ports_given(first, count, gateway)


def _write(folder: str, texts: Mapping[str, str], overwrite: bool) -> None:
    """Write the files. Raises `BadInput` where one is there already, before any is written."""
    there = [name for name in texts if os.path.exists(os.path.join(folder, name))]
    if there and not overwrite:
        raise BadInput(
            os.path.join(folder, there[0]),
            Text("it is there already", "文件已存在"),
            Text("add --overwrite, or name another folder", "加 --overwrite，或换一个目录"),
        )
    try:
        os.makedirs(folder, exist_ok=True)
        for name, text in texts.items():
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            if text.startswith("#!"):
                os.chmod(path, 0o755)
    except OSError as error:
        why = reason_of(error)
        raise BadInput(
            f"--write {folder}",
            Text(f"cannot be written ({why.en})", f"无法写入（{why.zh}）"),
            Text("name a folder that is yours to write", "换一个可写的目录"),
        ) from None


def _print(
    placement: tuple[Placed, ...], texts: Mapping[str, str], folder: str | None, output: str, chosen: Language
) -> None:
    from bgecheck.render.placing import drawn_placement, placement_as_json

    if output == "json":
        require_stdout()
        to_stdout(placement_as_json(placement, texts), FOR_PROGRAMS)
        return
    shown: dict[str, Any] = {} if folder else dict(texts)
    to_stdout(drawn_placement(placement, shown, folder, stdout_screen(chosen)))
