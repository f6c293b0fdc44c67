"""The rows of the `gpu` area before a launch: what a line asks for, against what the cards have."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bgecheck.checks.gpu import GIB, GpuFacts
from bgecheck.checks.gpu.facts import AREA
from bgecheck.engines.sglang.footprint import footprint
from bgecheck.engines.sglang.launchline import typed
from bgecheck.engines.sglang.planned import planned_as_typed
from bgecheck.engines.sglang.workers import cards
from bgecheck.knowledge.sizes import known_size, size_of
from bgecheck.machine.gpus import Gpu, Holder
from bgecheck.machine.kernellog import Xid, xids
from bgecheck.machine.torchbuild import Build, builds
from bgecheck.model import Finding, say
from gpucards import STRANGER, card, facts, held, judged, words

LINE = "python -m sglang.launch_server --model-path BAAI/bge-large-zh-v1.5 --is-embedding"
NEEDS = "--mem-fraction-static"
NEED = footprint(known_size("bge-large-zh-v1.5"), {})  # type: ignore[arg-type]  # it is known


def planned(*gpus: Gpu, line: str = LINE, **more: Any) -> GpuFacts:
    """What is to be launched by a line on these cards."""
    launch = planned_as_typed(shlex.split(line))
    size = known_size(launch.model)
    return facts(
        *gpus,
        planned=launch,
        places=cards(launch.options),
        footprint=footprint(size, launch.options) if size else None,
        **more,
    )


def rows(*gpus: Gpu, line: str = "", **more: Any) -> dict[str, Finding]:
    return judged(planned(*gpus, line=f"{LINE} {line}", **more))


def launched(finding: Finding) -> dict[str, str]:
    """The options of the line that a finding prints."""
    line = next(command for command in finding.commands if "launch_server" in command)
    return dict(typed(shlex.split(line)).options)


def test_an_empty_card_passes_every_row_but_the_share_that_is_not_given() -> None:
    found = rows(card())
    assert {name: str(f.status) for name, f in found.items()} == {
        "visible": "pass", "devices": "pass", "driver": "pass", "memory": "pass", "share": "skip",
        "others": "pass", "capability": "pass", "health": "pass",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "count", "status"),
    [
        ("", 1, "pass"),
        ("--tp-size 2", 2, "pass"),
        ("--tp-size 2", 1, "fail"),
        ("--tp 2 --dp 2", 4, "pass"),
        ("--tp 2 --dp 2", 3, "fail"),
        ("--dp-size 2 --enable-dp-attention --tp-size 2", 2, "pass"),
        ("--base-gpu-id 1", 2, "pass"),
        ("--base-gpu-id 1", 1, "fail"),
        ("--base-gpu-id 1 --tp-size 2", 2, "fail"),
        ("--tp-size 2 --gpu-id-step 2", 3, "pass"),
        ("--tp-size 2 --gpu-id-step 2", 2, "fail"),
        ("--pp-size 2", 1, "fail"),
        ("--tp-size 2 --nnodes 2", 1, "skip"),
        ("--tp-size many", 1, "skip"),
    ],
)
def test_as_many_gpus_as_the_options_ask_for(options: str, count: int, status: str) -> None:
    found = rows(*(card(n) for n in range(count)), line=options)
    assert str(found["devices"].status) == status
    assert str(found["memory"].status) in ("pass", "skip"), "too few cards are one cause, not two"


def test_a_launch_for_more_cards_than_there_are_is_put_on_one_where_that_has_room() -> None:
    asked = "--tp 2 --dp-size 2 --base-gpu-id 1 --port 31000"
    found = rows(card(), line=asked)["devices"]
    assert str(found.status) == "fail"
    assert set(launched(found)) == {"model-path", "is-embedding", "port"}
    assert not any("launch_server" in command for command in rows(card(used=22), line=asked)["devices"].commands)


def test_of_a_model_whose_size_is_not_known_the_missing_cards_are_told_and_no_line_for_fewer() -> None:
    seen = planned(card(), line="python -m sglang.launch_server --model-path acme/own-model --tp-size 2")
    found = judged(seen)["devices"]
    assert str(found.status) == "fail"
    assert not any("launch_server" in command for command in found.commands)


def test_the_cards_that_the_line_leaves_are_counted() -> None:
    two = (card(0), card(1))
    assert str(rows(*two, line="--tp-size 2", visible="1", chosen=two[1:])["devices"].status) == "fail"
    gone = rows(*two, visible="5", chosen=())
    assert str(gone["visible"].status) == "fail"
    assert "the launch has CUDA_VISIBLE_DEVICES=5" in words(gone["visible"])


def test_memory_is_measured_on_the_card_that_the_line_takes() -> None:
    full, empty = card(0, used=23), card(1)
    at_first = rows(full, empty)["memory"]
    assert str(at_first.status) == "fail"
    assert "CUDA_VISIBLE_DEVICES=1" in " ".join(at_first.commands)
    assert str(rows(full, empty, line="--base-gpu-id 1")["memory"].status) == "pass"
    moved = rows(card(0), card(1, used=23), line="--base-gpu-id 1")["memory"]
    assert "base-gpu-id" not in launched(moved), "what moves a launch replaces what placed it"


@pytest.mark.parametrize(("spare", "status"), [(0.01, "pass"), (-0.01, "fail")])
def test_enough_is_what_cannot_be_done_without(spare: float, status: str) -> None:
    gib = NEED.least / GIB
    found = rows(card(used=24 - gib - spare))
    assert str(found["memory"].status) == status
    assert found["share"].status.bad is False


def test_dtype_and_quantization_change_the_need() -> None:
    size = known_size("qwen3-embedding-8b")
    assert size is not None
    weights = {
        option: footprint(size, options).weights / GIB
        for option, options in {
            "none": {},
            "fp32": {"dtype": "float32"},
            "fp8": {"quantization": "fp8"},
            "two": {"tp-size": "2"},
        }.items()
    }
    assert weights == pytest.approx({"none": 14.1, "fp32": 28.2, "fp8": 7.05, "two": 7.05}, rel=0.01)


def test_workers_of_a_dead_server_that_hold_the_memory_are_the_cause_by_name() -> None:
    names = {STRANGER: "sglang::schedul"}
    found = rows(card(0, held(22), used=23), left_over=frozenset({STRANGER}), names=names)
    assert str(found["memory"].status) == "fail"
    assert f"kill {STRANGER}" in found["memory"].commands
    assert "pid 555 sglang::schedul (22.0 GiB)" in words(found["memory"])
    little = rows(card(0, held(0.2), used=1), left_over=frozenset({STRANGER}), names=names)
    assert str(little["others"].status) == "warn", "what nobody needs is named however little it is"


@pytest.mark.parametrize(
    ("share", "used", "status"),
    [
        ("0.3", 0.4, "pass"),
        ("0.02", 0.4, "fail"),
        ("0.05", 12.4, "fail"),
        ("0.98", 0.4, "warn"),
        ("0.9", 0.4, "pass"),
        ("1.5", 0.4, "skip"),
        ("most", 0.4, "skip"),
    ],
)
def test_a_share_is_of_what_is_free(share: str, used: float, status: str) -> None:
    found = rows(card(used=used), line=f"--mem-fraction-static {share}")["share"]
    assert str(found.status) == status
    if found.status.bad:
        better = launched(found)
        assert better["mem-fraction-static"] != share
        again = rows(card(used=used), line=f"--mem-fraction-static {better['mem-fraction-static']}")["share"]
        assert str(again.status) == "pass", better


@pytest.mark.parametrize(("share", "status"), [("", "warn"), ("--mem-fraction-static 0.3", "pass")])
def test_a_model_beside_is_no_matter_to_a_launch_with_a_share_of_its_own(share: str, status: str) -> None:
    """Several models on one card are how `bgecheck plan` places them."""
    assert str(rows(card(0, held(6), used=6.4), line=share)["others"].status) == status


@pytest.mark.parametrize(
    ("share", "holders", "status"),
    [
        ("0.9", (held(6),), "warn"),
        ("0.6", (held(1),), "warn"),
        ("0.59", (held(6),), "pass"),
        ("0.9", (held(0.9),), "pass"),
        ("0.9", (), "pass"),
    ],
)
def test_most_of_a_card_is_not_reserved_beside_others(share: str, holders: tuple[Holder, ...], status: str) -> None:
    found = rows(card(0, *holders, used=1 + sum((h.used or 0) / GIB for h in holders)), line=f"{NEEDS} {share}")
    assert str(found["share"].status) == status
    if status == "warn":
        assert float(launched(found["share"])["mem-fraction-static"]) < 0.3


@pytest.mark.parametrize(("times", "status"), [(3.9, "pass"), (4.1, "warn"), (4.9, "warn")])
def test_a_share_of_which_the_model_fills_a_quarter_is_not_too_much_beside_others(times: float, status: str) -> None:
    """Of a card that has just room there is no smaller share that would leave others more."""
    used = 24 - times * NEED.static / GIB
    found = rows(card(0, held(2), used=used), line=f"{NEEDS} 0.6")["share"]
    assert str(found.status) == status, words(found)


def test_a_model_whose_size_is_not_known_is_not_judged() -> None:
    found = judged(planned(card(used=23.9), line=LINE.replace("BAAI/bge-large-zh-v1.5", "somebody/some-model")))
    assert str(found["memory"].status) == "skip"
    assert str(found["share"].status) == "skip"


@pytest.mark.parametrize(
    ("cuda", "build", "status"),
    [
        ((12, 2), (12, 8), "pass"),
        ((13, 0), (12, 8), "pass"),
        ((12, 8), (13, 0), "fail"),
        ((11, 8), (12, 1), "fail"),
        ((13, 0), None, "fail"),
    ],
)
def test_the_driver_against_what_is_installed(
    cuda: tuple[int, int], build: tuple[int, int] | None, status: str
) -> None:
    found = rows(card(), cuda=cuda, builds=(Build("torch", "2.9.1", build),))["driver"]
    assert str(found.status) == status
    newer = (Build("torch", "2.9.1+cu128", (12, 8)), Build("sgl-kernel", "0.3.21+cu130", (13, 0)))
    assert str(rows(card(), cuda=(12, 8), builds=newer)["driver"].status) == "fail", "the kernels count too"


@pytest.mark.parametrize(
    ("build", "needs", "driver"),
    [((13, 0), "13.0", "580"), ((12, 8), "12.8", "525"), ((11, 7), "11.7", "450"), ((14, 1), "14.1", "580")],
)
def test_the_driver_to_install_is_the_oldest_that_runs_what_is_installed(
    build: tuple[int, int], needs: str, driver: str
) -> None:
    """Of an unknown CUDA the newest driver that is known."""
    row = rows(card(), cuda=(10, 2), builds=(Build("torch", "2.9.1", build),))["driver"]
    assert f"built for CUDA {needs}, and the driver runs CUDA up to 10.2" in words(row)
    assert f"to {driver} or newer" in words(row)
    assert "driver 580.65.06" in say(row.evidence[0].subject, "en")


def test_a_torch_without_cuda_is_named_whatever_the_kernels_are_built_for() -> None:
    without = (Build("torch", "2.9.1+cpu", None), Build("sgl-kernel", "0.3.21", (12, 8)))
    row = rows(card(), builds=without)["driver"]
    assert "torch 2.9.1+cpu" in words(row)
    assert "without CUDA" in words(row)


@pytest.mark.parametrize(
    ("version", "status"),
    [("0.5.9", "pass"), ("0.4.10.post2", "pass"), ("0.5.9.post1", "skip"), ("0.5.10", "skip"), (None, "skip")],
)
def test_a_driver_for_cuda_12_runs_the_releases_up_to_0_5_9(version: str | None, status: str) -> None:
    known = planned(card(), cuda=(12, 8))
    assert known.planned is not None
    release = known._replace(planned=replace(known.planned, version=version))
    assert str(judged(release)["driver"].status) == status
    older = release._replace(nvml=replace(release.nvml, cuda=(11, 8)))
    assert str(judged(older)["driver"].status) == "fail"


def test_the_oldest_of_the_cards_that_a_launch_takes_decides_on_the_generation() -> None:
    two = (card(0), card(1, capability=(7, 0), name="Tesla V100"))
    assert str(rows(*two)["capability"].status) == "pass"
    assert str(rows(*two, line="--tp-size 2")["capability"].status) == "fail"


@pytest.mark.parametrize(("short", "ends_them"), [(0, True), (1, False)])
def test_left_over_workers_are_ended_where_that_makes_room(short: int, ends_them: bool) -> None:
    names, need = {STRANGER: "sglang::schedul"}, int(NEED.least)
    tight = Holder(STRANGER, need + 1 - 5 - short)
    full = replace(card(0, tight), free=5)
    row = rows(full, left_over=frozenset({STRANGER}), names=names)["memory"]
    assert (f"kill {STRANGER}" in row.commands) is ends_them
    assert f"pid {STRANGER}" in words(row)


def test_others_that_nobody_has_left_are_not_to_be_ended() -> None:
    row = rows(card(0, held(22), used=23))["memory"]
    assert "end the processes that hold the rest" in words(row)
    assert not any(command.startswith("kill") for command in row.commands)


def test_the_cards_that_are_missing_are_counted_in_words() -> None:
    one, two = rows(card(), line="--base-gpu-id 1")["devices"], rows(card(0), card(1), line="--tp-size 4")["devices"]
    assert "takes GPU 1 of those that it sees" in words(one)
    assert "1 is left to it" in words(one)
    assert "takes GPU 0-3 of those that it sees" in words(two)
    assert "2 are left to it" in words(two)
    assert [row.evidence[0].expected for row in (one, two)] == [">= 2", ">= 4"]


def test_ranks_are_put_on_one_card_only_where_it_has_room_for_all_that_they_share() -> None:
    of_a_rank = footprint(known_size("bge-large-zh-v1.5"), {"tp-size": "2"})  # type: ignore[arg-type]
    whole = of_a_rank.least + of_a_rank.weights_and_least
    for spare, fits in ((0.05, True), (-0.05, False)):
        row = rows(card(used=24 - whole / GIB - spare), line="--tp-size 2")
        assert any("launch_server" in command for command in row["devices"].commands) is fits


def test_an_error_of_the_card_in_the_kernel_log_is_told_with_its_number(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_bytes(
        b"4,1,0,-;NVRM: Xid (PCI:0000:65:00): 79, pid=812, GPU has fallen off the bus.\n"
        b"4,2,0,-;NVRM: Xid (PCI:0000:65:00): 79, pid=812, GPU has fallen off the bus.\n"
        b"4,3,0,-;NVRM: Xid (PCI:0000:b3:00): 31, pid=99, Ch 00000008, MMU Fault\n"
        b"4,4,0,-;usb 1-1: NVRM Xid 48\xff\n"
    )
    assert xids(str(log)) == (Xid("0000:65:00", 79, 2),)
    assert xids(str(tmp_path / "none")) is None
    health = rows(card(), xids=xids(str(log)))["health"]
    assert str(health.status) == "warn"
    assert "Xid 79 of the card at 0000:65:00 (2 times)" in words(health)
    assert "none of the hardware" in words(rows(card(), xids=())["health"])


def environment(root: Path, version_py: str | None, *distributions: str, library: str = "lib/python3.11") -> str:
    """The interpreter of an environment with a torch and further packages."""
    packages = root / library / "site-packages"
    (packages / "torch").mkdir(parents=True)
    (root / "bin").mkdir(exist_ok=True)
    if version_py is not None:
        (packages / "torch" / "version.py").write_text(version_py)
    for name in distributions:
        (packages / f"{name}.dist-info").mkdir()
    return str(root / "bin" / "python")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__version__ = '2.9.1+cu128'\ncuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", (12, 8)),
        ("__version__ = '2.9.1'\ncuda = '12.8'\n", (12, 8)),
        ("__version__ = '2.13.0+cpu'\ndebug = False\ncuda: Optional[str] = None\n", None),
    ],
)
def test_the_cuda_of_torch_is_read_without_starting_it(
    tmp_path: Path, text: str, expected: tuple[int, int] | None
) -> None:
    interpreter = environment(tmp_path / "env", text, "sgl_kernel-0.3.21+cu130", "sglang_kernel-0.4.5")
    torch, *kernels = builds(interpreter)
    assert torch.cuda == expected
    assert kernels == [Build("sgl-kernel", "0.3.21+cu130", (13, 0))]


def test_an_environment_without_torch_tells_nothing(tmp_path: Path) -> None:
    assert builds(environment(tmp_path / "a", None)) == ()
    assert builds(str(tmp_path / "nowhere" / "bin" / "python")) == ()


def test_a_link_to_an_environment_leads_to_its_packages(tmp_path: Path) -> None:
    interpreter = environment(tmp_path / "env", "__version__ = '2.9.1'\ncuda = '12.8'\n")
    Path(interpreter).write_text("")
    (tmp_path / "bin").mkdir()
    os.symlink(interpreter, tmp_path / "bin" / "python3")
    assert builds(str(tmp_path / "bin" / "python3"))[0].cuda == (12, 8)


@pytest.mark.parametrize(
    "config",
    [{}, {"num_hidden_layers": "24"}, {"num_hidden_layers": 10**30, "hidden_size": -1}, {"architectures": "BertModel"}],
)
def test_a_configuration_that_tells_no_size_has_none(config: dict[str, Any]) -> None:
    assert size_of(config) is None


def test_sizes_by_config_and_by_name_agree() -> None:
    large = {
        "architectures": ["BertModel"], "num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16,
        "intermediate_size": 4096, "vocab_size": 21128, "max_position_embeddings": 512,
    }  # fmt: skip
    qwen = {
        "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 28, "hidden_size": 1024, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151669,
        "max_position_embeddings": 32768,
    }  # fmt: skip
    for config, name in ((large, "bge-large-zh-v1.5"), (qwen, "qwen3-embedding-0.6b")):
        by_config, by_name = size_of(config), known_size(name)
        assert by_config is not None
        assert by_name is not None
        assert by_config[1:] == by_name[1:]
        assert by_config.parameters == pytest.approx(by_name.parameters, rel=0.02)


def test_every_row_of_before_and_after_has_its_moment() -> None:
    names = {check.id.partition(".")[2]: check.moments for check in AREA.checks}
    assert {name for name, moments in names.items() if moments == {"before"}} == {"devices", "share"}
