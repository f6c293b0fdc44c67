"""The rows of the `gpu` area, judged from facts: what each number makes of its row, and what is left unsaid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgecheck.checks import gpu as area
from bgecheck.checks.cards import chosen
from bgecheck.checks.gpu import ENOUGH, GIB, GpuFacts
from bgecheck.machine.files import weights_size
from bgecheck.machine.gpus import THROTTLED, Gpu, Holder
from bgecheck.machine.kernellog import Xid
from bgecheck.model import Language, Status, Text, say
from gpucards import OWN, STRANGER, WORKER, card, facts, held, judged, words


def statuses(seen: GpuFacts) -> dict[str, str]:
    return {name: str(found.status) for name, found in judged(seen).items()}


def test_an_empty_card_with_a_new_driver_passes_every_row() -> None:
    assert set(statuses(facts(card())).values()) == {"pass"}


@pytest.mark.parametrize(
    ("cuda", "running", "status"),
    [
        ((11, 8), False, "fail"),
        ((12, 0), False, "skip"),
        ((12, 8), False, "skip"),
        ((13, 0), False, "pass"),
        ((11, 8), True, "pass"),
        (None, False, "skip"),
    ],
)
def test_the_driver_by_its_cuda(cuda: tuple[int, int] | None, running: bool, status: str) -> None:
    """CUDA 12 runs sglang up to 0.5.9 only, so it says nothing alone; a server that computes proves its driver."""
    holder = held(20, WORKER)
    assert statuses(facts(card(0, holder), cuda=cuda, running=running))["driver"] == status


def test_the_driver_is_named_by_its_release_where_it_tells_it() -> None:
    seen = facts(card())
    assert judged(seen)["driver"].evidence[0].subject == "driver 580.65.06"
    unnamed = seen._replace(nvml=replace(seen.nvml, driver=None))
    assert judged(unnamed)["driver"].evidence[0].subject == "driver ?"


def test_memory_is_measured_against_what_the_model_needs() -> None:
    assert statuses(facts(card(used=21.9)))["memory"] == "pass"
    short = judged(facts(card(used=22.5)))["memory"]
    assert short.status is Status.FAIL
    assert "only 1.5 GiB of 24.0 GiB is free on the emptiest GPU (GPU 0), and the model needs 2.0 GiB" in words(short)
    assert statuses(facts(card(used=12), needed=15 * GIB))["memory"] == "fail"


def test_the_emptiest_card_decides_before_a_server_runs() -> None:
    assert statuses(facts(card(0, used=23.9), card(1, used=1)))["memory"] == "pass"


def test_a_server_that_fills_its_card_has_memory_enough() -> None:
    """sglang reserves what it is given: a full card is how it works, not a fault."""
    rows = judged(facts(card(0, held(23, WORKER), used=23.9), running=True))
    assert (rows["memory"].status, rows["others"].status) == (Status.PASS, Status.PASS)


@pytest.mark.parametrize("unseen", [{"running": True}, {"answered": True}])
def test_a_server_whose_memory_is_not_seen_is_not_judged_by_what_is_free(unseen: dict[str, Any]) -> None:
    rows = judged(facts(card(0, held(23, 999), used=23.9), **unseen))
    assert (rows["memory"].status, rows["others"].status) == (Status.SKIP, Status.SKIP)


def test_processes_that_are_seen_are_others_also_while_the_server_starts() -> None:
    rows = judged(facts(card(0, held(20), used=21), running=True))
    assert rows["others"].status is Status.WARN
    assert f"pid {STRANGER} python (20.0 GiB)" in words(rows["others"])


def test_what_fills_the_card_is_named_in_the_one_cause() -> None:
    rows = judged(facts(card(0, held(22), held(0.7, 556), used=23)))
    assert f"held by pid {STRANGER} python (22.0 GiB), pid 556 (717 MiB)" in words(rows["memory"])
    assert rows["others"].caused_by == "gpu.memory"


def test_little_that_others_hold_does_not_matter() -> None:
    assert statuses(facts(card(0, held(0.4))))["others"] == "pass"
    assert statuses(facts(card(0, held(0.3), held(0.3, 556))))["others"] == "warn"


def test_others_on_a_card_that_the_server_does_not_use_are_no_matter() -> None:
    seen = facts(card(0, held(20, WORKER), used=21), card(1, held(20), used=21), running=True)
    assert statuses(seen)["others"] == "pass"


def test_a_free_card_beside_a_full_one_is_named_with_how_to_take_it() -> None:
    others = judged(facts(card(0, held(20), used=21), card(1)))["others"]
    assert "GPU 1 has 23.6 GiB free" in words(others)
    assert "CUDA_VISIBLE_DEVICES=1" in words(others)
    assert "CUDA_VISIBLE_DEVICES" not in words(judged(facts(card(0, held(5), used=6), card(1, used=23)))["others"])


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ((card(0, used=20, holders=None),), "does not report who"),
        ((card(0, held(None), used=20),), "does not report how much"),
        ((card(0, used=20),), "20.0 GiB are in use by processes that are not shown here"),
    ],
)
def test_who_holds_memory_is_left_open_where_the_driver_does_not_tell(cards: tuple[Gpu, ...], reason: str) -> None:
    others = judged(facts(*cards))["others"]
    assert others.status is Status.SKIP
    assert reason in words(others)


def test_the_server_s_own_share_without_a_number_hides_nobody() -> None:
    """In WSL the driver tells no process's share: what is in use may all be the server's."""
    assert statuses(facts(card(0, held(None, WORKER), used=20), running=True))["others"] == "pass"


@pytest.mark.parametrize(
    ("capability", "status"),
    [((7, 0), "fail"), ((7, 5), "pass"), ((8, 9), "pass"), ((12, 0), "pass"), ((6, 1), "fail"), (None, "skip")],
)
def test_generations_from_turing_on_are_supported(capability: tuple[int, int] | None, status: str) -> None:
    assert statuses(facts(card(capability=capability)))["capability"] == status


def test_a_display_card_beside_a_good_one_does_not_matter_until_the_server_takes_it() -> None:
    old = card(0, held(1, WORKER), capability=(3, 5), name="NVIDIA GT 710")
    assert statuses(facts(old, card(1)))["capability"] == "pass"
    assert statuses(facts(old, card(1), running=True))["capability"] == "fail"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"uncorrected": 3}, "GPU 0 has 3 uncorrected ECC errors"),
        ({"pending": True}, "GPU 0: pending row remapping, reset required"),
        ({"throttled": ("hardware thermal",)}, "GPU 0 is throttled: hardware thermal"),
        ({"temperature": 88}, "GPU 0 is at 88 °C and slows down at 90 °C"),
    ],
)
def test_a_fault_is_said_with_its_number(trouble: dict[str, Any], said: str) -> None:
    health = judged(facts(card(**trouble)))["health"]
    assert health.status is Status.WARN
    assert said in words(health)


@pytest.mark.parametrize(("temperature", "status"), [(86, "pass"), (87, "warn"), (90, "warn")])
def test_three_degrees_below_its_limit_a_card_is_too_hot(temperature: int, status: str) -> None:
    """The limit is 90 °C."""
    assert statuses(facts(card(temperature=temperature)))["health"] == status


def test_four_faults_are_named_in_the_cause_and_six_as_evidence() -> None:
    health = judged(facts(*(card(n, uncorrected=n + 1) for n in range(7))))["health"]
    faults: tuple[tuple[Language, str], ...] = (("en", "GPU {} has"), ("zh", "GPU {} 有"))
    for language, faulty in faults:
        assert [faulty.format(n) in say(health.cause, language) for n in range(7)] == [True] * 4 + [False] * 3
    assert len(health.evidence) == 6


@pytest.mark.parametrize(("times", "shown"), [(1, ""), (2, " (2 times)")])
def test_how_often_an_error_came_is_told_where_it_came_again(times: int, shown: str) -> None:
    health = judged(facts(card(), xids=(Xid("0000:65:00", 79, times),)))["health"]
    assert f"Xid 79 of the card at 0000:65:00{shown}" in words(health)
    assert ("times)" in words(health)) is bool(shown)
    assert (f"（{times} 次）" in say(health.cause, "zh")) is bool(shown)


@pytest.mark.parametrize(("used", "status"), [(1.99, "pass"), (2.01, "skip")])
def test_memory_in_use_that_is_nobody_s_is_left_open_from_two_gib_on(used: float, status: str) -> None:
    """The driver itself reserves up to about one GiB of a large card."""
    assert statuses(facts(card(used=used)))["others"] == status
    beside = facts(card(0, held(0.1), used=used + 0.1))
    assert statuses(beside)["others"] == status


@pytest.mark.parametrize(("gib", "status"), [(0.49, "pass"), (0.51, "warn")])
def test_others_matter_from_half_a_gib_on(gib: float, status: str) -> None:
    row = judged(facts(card(0, held(gib))))["others"]
    assert str(row.status) == status
    assert (row.evidence[0].expected is None) is (status == "pass")
    assert statuses(facts(card()))["others"] == "pass"


def test_exactly_what_is_needed_is_enough() -> None:
    free = card(used=20).free
    assert free is not None
    assert [statuses(facts(card(used=20), needed=free + more))["memory"] for more in (0, 1)] == ["pass", "fail"]


def test_four_holders_are_named_the_largest_first() -> None:
    holders = [held(1 + n, 600 + n) for n in range(5)]
    row = judged(facts(card(0, *holders, used=23)))["memory"]
    assert "held by pid 604 (5.0 GiB), pid 603 (4.0 GiB), pid 602 (3.0 GiB), pid 601 (2.0 GiB)" in words(row)
    assert "pid 600" not in words(row)


def test_left_over_workers_are_listed_up_to_four_and_ended_all() -> None:
    holders = [held(1, 600 + n) for n in range(5)]
    row = judged(facts(card(0, *holders), left_over=frozenset(range(600, 605))))["others"]
    assert [f"pid {pid} " in say(row.cause, "en") for pid in range(600, 605)] == [True] * 4 + [False]
    assert len(row.evidence) == 4
    assert row.commands[-1] == "kill 600 601 602 603 604"


def test_up_to_eight_cards_are_listed() -> None:
    assert len(judged(facts(*(card(n) for n in range(9))))["visible"].evidence) == 8


def test_a_warm_card_is_no_fault_and_xid_errors_are_said_to_be_unseen() -> None:
    health = judged(facts(card(temperature=86)))["health"]
    assert health.status is Status.PASS
    assert "86 °C" in words(health)
    assert "not checked" in words(health)


def test_a_lost_card_is_a_fault() -> None:
    assert "GPU 1 is lost (GPU is lost)" in words(judged(facts(card(), lost=((1, "GPU is lost"),)))["health"])


def test_a_card_that_tells_nothing_is_skipped_row_by_row() -> None:
    rows = judged(facts(Gpu(index=0, name="GPU"), cuda=None))
    assert {name: str(found.status) for name, found in rows.items()} == {
        "visible": "pass", "driver": "skip", "memory": "skip", "others": "skip", "capability": "skip", "health": "skip",
    }  # fmt: skip
    assert all(found.reason for name, found in rows.items() if name != "visible")


def test_every_throttle_reason_has_its_words_in_both_languages() -> None:
    health = judged(facts(card(throttled=tuple(THROTTLED.values()))))["health"]
    assert isinstance(health.cause, Text)
    assert "降频" in health.cause.zh


CARDS = (card(0), card(1), card(2))
MIXED = (card(0), card(1, name="Tesla P40", capability=(6, 1)))


@pytest.mark.parametrize(
    ("visible", "kept"),
    [
        ("0", [0]),
        ("2,0", [2, 0]),
        (" 1 , 2 ", [1, 2]),
        ("1,1", [1]),
        ("0,7,1", [0]),
        ("7", []),
        ("GPU-11", [1]),
        ("GPU-2222,0", [2, 0]),
        ("NoDevFiles", []),
        ("0,", [0]),
        ("²", []),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(visible: str, kept: list[int]) -> None:
    assert [g.index for g in chosen(CARDS, visible, by_bus=False)] == kept


def test_an_index_among_unlike_cards_says_nothing_unless_cuda_counts_by_the_bus() -> None:
    assert chosen(MIXED, "0", by_bus=False) == MIXED
    assert chosen(MIXED, "0", by_bus=True) == MIXED[:1]
    assert chosen(MIXED, "GPU-1", by_bus=False) == MIXED[1:]


@given(st.text(max_size=20), st.booleans())
def test_any_text_in_cuda_visible_devices_leaves_known_cards_once(visible: str, by_bus: bool) -> None:
    kept = chosen(CARDS, visible, by_bus=by_bus)
    assert len(kept) == len(set(kept))
    assert set(kept) <= set(CARDS)


def test_a_choice_of_no_card_shows_what_was_chosen_of_which() -> None:
    row = judged(facts(card(0), card(1), visible="7", chosen=()))["visible"]
    assert (row.evidence[0].observed, row.evidence[0].expected) == ("7", "0, 1")


def test_a_choice_of_no_card_breaks_the_entry_row() -> None:
    rows = judged(facts(card(), running=True, chosen=(), visible="3"))
    assert rows["visible"].status is Status.FAIL
    assert {str(f.status) for name, f in rows.items() if name != "visible"} == {"skip"}


def sized(folder: Path, size: int, config: Any = None, name: str = "model.safetensors") -> float:
    """What a folder with weights of `size` bytes needs, in GiB."""
    with open(folder / name, "wb") as file:
        file.truncate(size)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return area.memory_needed(str(folder)) / GIB


def test_the_need_follows_the_weights_and_fp32_is_served_as_fp16(tmp_path: Path) -> None:
    assert sized(tmp_path, 15 * GIB) == pytest.approx(16.4)
    assert sized(tmp_path, 15 * GIB, {"torch_dtype": "float32"}) == pytest.approx(8.9)
    assert sized(tmp_path, 15 * GIB, [1]) == pytest.approx(16.4)
    assert sized(tmp_path, int(1.3e9), {"torch_dtype": "float32"}) == pytest.approx(2, abs=0.01)


def test_weights_are_counted_once_and_a_folder_without_them_has_no_size(tmp_path: Path) -> None:
    assert weights_size(str(tmp_path)) is None
    assert weights_size(str(tmp_path / "none")) is None
    assert area.memory_needed(str(tmp_path)) == ENOUGH
    for name, size in {"pytorch_model.bin": 70, "training_args.bin": 5}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    assert weights_size(str(tmp_path)) == 70
    for name, size in {"model-1.safetensors": 30, "model-2.safetensors": 31}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    assert weights_size(str(tmp_path)) == 61


holders = st.lists(
    st.builds(Holder, st.sampled_from([OWN, STRANGER, 556]), st.none() | st.integers(0, 24 * GIB)), max_size=3
)
maybe_cards = st.builds(
    Gpu,
    index=st.integers(0, 3),
    name=st.sampled_from(["A", "\x1b[31mB"]),
    total=st.none() | st.just(24 * GIB),
    used=st.none() | st.integers(0, 24 * GIB),
    free=st.none() | st.integers(0, 24 * GIB),
    capability=st.none() | st.tuples(st.integers(3, 12), st.integers(0, 9)),
    temperature=st.none() | st.integers(0, 120),
    slows_down_at=st.none() | st.integers(0, 100),
    throttled=st.none() | st.lists(st.sampled_from(list(THROTTLED.values())), unique=True).map(tuple),
    uncorrected=st.none() | st.integers(0, 9),
    pending=st.none() | st.booleans(),
    mig=st.none() | st.booleans(),
    holders=st.none() | holders.map(tuple),
)


@given(st.lists(maybe_cards, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_whatever_the_driver_tells_every_row_is_judged_without_a_bug(
    cards: Sequence[Gpu], running: bool, answered: bool
) -> None:
    for found in judged(facts(*cards, running=running, answered=answered)).values():
        assert found.status is not Status.ERROR, found.reason
        assert (found.reason is not None) == (found.status is Status.SKIP)
        assert "{" not in words(found) or not found.status.bad
        assert "\x1b" not in words(found)
