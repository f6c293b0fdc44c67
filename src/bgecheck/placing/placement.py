"""Which model goes on which card, with what share of its memory, and in what order they are started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bgecheck.engines.base import Launch
from bgecheck.engines.sglang.footprint import GIB, MOST, Footprint, footprint, share_for
from bgecheck.engines.sglang.relaunch import launch_line
from bgecheck.engines.sglang.releases import release_of
from bgecheck.engines.sglang.served import options_for
from bgecheck.model import BadInput, Shell, Text
from bgecheck.model.target import asked_at, authority
from bgecheck.placing.models import PlacedModel


class Card(NamedTuple):
    """A card, or the memory of a machine that computes on its CPU."""

    label: str
    total: float
    free: float
    visible: str | None = None
    """What CUDA_VISIBLE_DEVICES is given to take this card; None for a CPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the models are to run, and the release that is to serve them."""

    cards: tuple[Card, ...]
    host: str
    """Where the servers and the gateway listen."""
    ports: tuple[int, ...]
    """One for each model, then that of the gateway."""
    version: str
    image: str
    """That of its containers, as compose takes it."""
    device: str | None = None

    @property
    def reached_at(self) -> str:
        """The address by which this machine itself reaches what listens on `host`."""
        return asked_at(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One model in its place."""

    model: PlacedModel
    card: Card
    port: int
    share: float
    """Of what is free on its card when it starts (`free`), context excluded."""
    free: float
    taken: float
    """Bytes that it takes in all."""
    footprint: Footprint
    launch: Launch
    machine: Machine

    @property
    def line(self) -> Shell:
        """The command that starts it."""
        return launch_line(self.launch, {}, release_of(self.machine.version))

    @property
    def url(self) -> str:
        """Where this machine reaches the server itself."""
        return f"http://{authority(self.machine.reached_at, self.port)}/v1"

    @property
    def routed(self) -> str:
        """Where clients reach it through the gateway."""
        return f"http://{authority(self.machine.reached_at, self.machine.ports[-1])}/{self.model.alias}/v1"

    later: float = 0.0
    """Bytes that those started after it take of its card."""

    @property
    def starts_again(self) -> bool:
        """Whether it can be restarted by itself while the others of its card run: its share is then of less memory."""
        return self.footprint.covered(self.share, self.free - self.later) >= self.footprint.weights_and_least


def placed(models: Sequence[PlacedModel], machine: Machine) -> tuple[Placed, ...]:
    """Every model in its place, in the order of their start. Raises `BadInput` where one has no room."""
    needs = [footprint(model.size, _device(machine), stored=model.stored) for model in models]
    cards = _assigned(models, needs, machine.cards)
    started: list[Placed] = []
    for card in machine.cards:
        numbers = [n for n in range(len(models)) if cards[n] is card]
        started += _restartable(card, numbers, models, needs, machine)
    return tuple(started)


def _device(machine: Machine) -> dict[str, str]:
    return {"device": machine.device} if machine.device else {}


def _assigned(models: Sequence[PlacedModel], needs: Sequence[Footprint], cards: Sequence[Card]) -> list[Card]:
    """A card for each model: the largest first, each on the card with the most room that is left."""
    room = [card.free for card in cards]
    chosen: dict[int, Card] = {}
    for number in sorted(range(len(models)), key=lambda n: -needs[n].whole):
        at = max(range(len(cards)), key=lambda n: (room[n], -n))
        chosen[number], room[at] = cards[at], room[at] - needs[number].whole
        if room[at] < 0:
            raise _no_room(models[number], needs[number], room[at] + needs[number].whole, cards[at])
    return [chosen[number] for number in range(len(models))]


_ROUNDS = 5
"""How often shares are raised: those after it then find less, and are raised in turn."""


def _restartable(
    card: Card, numbers: Sequence[int], models: Sequence[PlacedModel], needs: Sequence[Footprint], machine: Machine
) -> list[Placed]:
    """The models of one card with shares by which each can be restarted beside the others, where there is room."""
    least = dict.fromkeys(numbers, 0.0)
    started = _on_card(card, least, models, needs, machine)
    for _ in range(_ROUNDS):
        stuck = [(number, one) for number, one in zip(numbers, started, strict=True) if not one.starts_again]
        if not stuck:
            break
        for number, one in stuck:
            beside_others = one.free - one.later - one.footprint.context
            least[number] = share_for(one.footprint.weights_and_least, beside_others)
        try:
            started = _on_card(card, least, models, needs, machine)
        except BadInput:
            break
    return started


def _on_card(
    card: Card,
    least: Mapping[int, float],
    models: Sequence[PlacedModel],
    needs: Sequence[Footprint],
    machine: Machine,
) -> list[Placed]:
    """The models of one card, started one after the other: each takes its share of what those before have left."""
    free, started = card.free, []
    for number, share_at_least in least.items():
        model, need = models[number], needs[number]
        share = max(share_for(need.static, free - need.context), share_at_least)
        taken = need.context + need.covered(share, free) + need.beside
        if share > MOST or taken > free:
            raise _no_room(model, need, free, card)
        started.append(
            Placed(
                model=model,
                card=card,
                port=machine.ports[number],
                share=share,
                free=free,
                taken=taken,
                footprint=need,
                launch=_launch(model, share, card, machine.ports[number], machine),
                machine=machine,
            )
        )
        free -= taken
    return _with_later(started)


def _with_later(started: list[Placed]) -> list[Placed]:
    """The same, each with what the ones after it take."""
    return [replace(one, later=sum(later.taken for later in started[n + 1 :])) for n, one in enumerate(started)]


def _no_room(model: PlacedModel, need: Footprint, free: float, card: Card) -> BadInput:
    needed = f"{need.whole / GIB:.1f} GiB"
    left = f"{max(free, 0) / GIB:.1f} GiB"
    return BadInput(
        model.alias,
        Text(
            f"it needs {needed}, and {card.label}, which has the most room, has {left} left for it",
            f"它需要 {needed}，而空间最多的 {card.label} 只剩 {left}",
        ),
        Text("leave out a model, or take a larger card or one more", "去掉一个模型，或换更大的卡、加一块卡"),
    )


def _launch(model: PlacedModel, share: float, card: Card, port: int, machine: Machine) -> Launch:
    needed = options_for(model.architectures, f"{share:g}", machine.version, machine.device)
    options = {
        "model-path": model.path,
        "served-model-name": model.name,
        "host": machine.host,
        "port": str(port),
        **{name: value for name, value in needed.items() if value is not None},
    }
    return Launch(options=options, environment={} if card.visible is None else {"CUDA_VISIBLE_DEVICES": card.visible})
