from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.inferers import PromptedVolumeInferer, paint_logits
from monai_cobot.transforms import (
    BoxJitter,
    SAMFrame,
    prompts_from_label,
    slices_to_volume,
    volume_to_slices,
)

SIZE = 64
X, Y, Z = 32, 16, 6


class BoxFiller:
    """A network whose logits are +1 in the box and -1 around it; it keeps what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, image: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
        everything = torch.cat(boxes)
        self.calls.append((image, everything))
        logits = -torch.ones(len(everything), 1, SIZE, SIZE)
        for plane, (x0, y0, x1, y1) in zip(logits, everything.round().int().tolist(), strict=True):
            plane[0, y0:y1, x0:x1] = 1
        return logits


def boxy_label() -> torch.Tensor:
    """Two organs that are boxes, so that filled boxes are the truth."""
    label = torch.zeros(1, X, Y, Z, dtype=torch.uint8)
    label[0, 3:10, 2:9, 1:4] = 5
    label[0, 20:30, 8:14, 3] = 200
    return label


def test_filled_boxes_give_the_label_back() -> None:
    label, network = boxy_label(), BoxFiller()
    prompts = prompts_from_label(label)
    result = PromptedVolumeInferer(SIZE)(label[None], network, prompts, case="a")
    assert result.dtype == torch.uint8
    assert torch.equal(result, label[None])


def test_the_network_runs_once_a_slice_with_all_organs() -> None:
    label, network = boxy_label(), BoxFiller()
    PromptedVolumeInferer(SIZE)(label[None], network, prompts_from_label(label))
    assert [len(boxes) for _, boxes in network.calls] == [1, 1, 2]
    frame, slices = SAMFrame(Y, X, SIZE), volume_to_slices(label)
    for z, (image, _) in zip((1, 2, 3), network.calls, strict=True):
        assert torch.equal(image[0], frame.image_to_model(slices[z]))


def test_no_prompts_no_network() -> None:
    network = BoxFiller()
    result = PromptedVolumeInferer(SIZE)(boxy_label()[None], network, {})
    assert network.calls == []
    assert int(result.sum()) == 0


def test_jitter_is_known_from_seed_case_and_slice() -> None:
    label, prompts = boxy_label(), prompts_from_label(boxy_label())
    reversed_prompts = dict(reversed(prompts.items()))

    def boxes(seed: int, case: str, given=prompts) -> list[torch.Tensor]:
        network = BoxFiller()
        inferer = PromptedVolumeInferer(SIZE, BoxJitter("symmetric", 50, SIZE), seed)
        inferer(label[None], network, given, case=case)
        return [box for _, box in network.calls]

    first = boxes(1, "a")
    for again in (boxes(1, "a"), boxes(1, "a", reversed_prompts)):
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], boxes(2, "a")[0])
    assert not torch.equal(first[0], boxes(1, "b")[0])
    assert not torch.equal(first[0], first[1])  # the same box on the next slice


def test_jittered_prompts_are_those_the_network_gets() -> None:
    label, network = boxy_label(), BoxFiller()
    inferer = PromptedVolumeInferer(SIZE, BoxJitter("outward", 50, SIZE), seed=3)
    prompts = prompts_from_label(label)
    used = inferer.jittered_prompts(prompts, (Y, X), "a")
    inferer(label[None], network, prompts, case="a")
    frame = SAMFrame(Y, X, SIZE)
    for (boxes, _), (_, given) in zip(used.values(), network.calls, strict=True):
        assert torch.equal(frame.boxes_to_model(boxes), given)


@pytest.mark.parametrize("jitter", [None, BoxJitter("outward", 0, SIZE)])
def test_exact_prompts_are_not_touched(jitter) -> None:
    prompts = prompts_from_label(boxy_label())
    used = PromptedVolumeInferer(SIZE, jitter).jittered_prompts(prompts, (Y, X), "a")
    assert used.keys() == prompts.keys()
    assert all(used[z][0] is prompts[z][0] for z in prompts)


def test_the_highest_logit_above_zero_wins() -> None:
    logits = torch.tensor([[[-1.0, 2, 1, 0]], [[-2.0, 1, 3, 0]], [[-3.0, 5, 2, -1]]])
    painted = paint_logits(logits, torch.tensor([4, 9, 4]))  # two prompts of organ 4
    assert painted.tolist() == [[0, 4, 9, 0]]


def test_the_volume_is_reassembled_where_it_was() -> None:
    """A prompt in one corner of one slice, by hand: right, anterior, second slice from the top."""
    network = BoxFiller()
    prompts = {Z - 2: (torch.tensor([[0.0, 0, 4, 2]]), torch.tensor([7]))}
    result = PromptedVolumeInferer(SIZE)(torch.zeros(1, 1, X, Y, Z), network, prompts)
    expected = torch.zeros(1, 1, X, Y, Z, dtype=torch.uint8)
    expected[0, 0, X - 4 :, Y - 2 :, Z - 2] = 7
    assert torch.equal(result, expected)
    assert torch.equal(slices_to_volume(volume_to_slices(result[0])), result[0])


ONE = (torch.tensor([[0.0, 0, 4, 2]]), torch.tensor([1]))


@pytest.mark.parametrize(
    ("shape", "prompts", "message"),
    [
        ((2, 1, X, Y, Z), {0: ONE}, r"got \(2, 1, 32, 16, 6\): give volumes one at a time"),
        ((1, 1, X, Y, Z), {Z: ONE}, "case a: prompts on slice 6, but slices are 0 to 5"),
        ((1, 1, X, Y, Z), {0: (ONE[0], torch.tensor([1, 2]))}, r"boxes \(1, 4\) for 2 organs"),
        ((1, 1, X, Y, Z), {0: (ONE[0], torch.tensor([256]))}, r"organs \[256\] are outside"),
    ],
)
def test_what_cannot_be_run_is_named(shape, prompts, message: str) -> None:
    with pytest.raises(CobotError, match=message):
        PromptedVolumeInferer(SIZE)(torch.zeros(shape), BoxFiller(), prompts, case="a")


class OrganFinder(BoxFiller):
    """Beside the boxes knows organ 7 in the left quarter of every slice, and no organ 9."""

    def __call__(self, image, boxes=None):
        logits = -torch.ones(1, 2, SIZE, SIZE)
        logits[0, 0, :, : SIZE // 4] = 1
        if boxes is None:
            self.calls.append((image, torch.zeros(0, 4)))
            return logits
        return super().__call__(image, boxes)


class Embedding(OrganFinder):
    """The same, asked about an image that it has seen once."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded = 0

    def embed(self, image):
        self.embedded += 1

        def box_answers(boxes):
            count = sum(len(found) for found in boxes)
            return SimpleNamespace(logits=self(image, boxes), quality=torch.ones(count))

        def found_organs(chunk):
            return [(torch.tensor([0]), self(image)[0, :1], torch.ones(1))] * len(image)

        return SimpleNamespace(box_answers=box_answers, found_organs=found_organs)


def test_organ_prompts_see_every_slice() -> None:
    label, network = boxy_label(), OrganFinder()
    inferer = PromptedVolumeInferer(SIZE, prompts="organ", organ_labels=[7, 9])
    result = inferer(label[None], network, {})
    assert len(network.calls) == Z
    assert result.shape == (1, 1, X, Y, Z)
    assert set(result.unique().tolist()) == {0, 7}
    slices = volume_to_slices(result[0])[:, 0]
    assert bool((slices[:, :, : X // 4] == 7).all())
    assert bool((slices[:, :, X // 4 :] == 0).all())


@pytest.mark.parametrize(("batch", "chunk"), [(1, 64), (2, 64), (4, 1), (64, 2)])
def test_both_kinds_are_two_maps_from_one_run_of_the_network(batch: int, chunk: int) -> None:
    label, network = boxy_label(), Embedding()
    prompts = prompts_from_label(label)
    inferer = PromptedVolumeInferer(
        SIZE, prompts="both", organ_labels=[7, 9], batch=batch, chunk=chunk
    )
    both = inferer(label[None], network, prompts)
    assert inferer.kinds == ("box", "organ")
    assert network.embedded == -(-Z // batch)
    given = [len(boxes) for _, boxes in network.calls if len(boxes)]
    assert max(given) <= chunk
    assert sum(given) == sum(len(boxes) for boxes, _ in prompts.values())
    assert torch.equal(both[:, :1], label[None])
    alone = PromptedVolumeInferer(SIZE, prompts="organ", organ_labels=[7, 9])
    assert torch.equal(both[:, 1:], alone(label[None], OrganFinder(), {}))


def test_organ_prompts_need_labels() -> None:
    with pytest.raises(CobotError, match="organ prompts need organ_labels"):
        PromptedVolumeInferer(SIZE, prompts="organ")
    with pytest.raises(CobotError, match="prompts='dots': choose one of"):
        PromptedVolumeInferer(SIZE, prompts="dots")


@pytest.mark.parametrize("bad", [0, "x", 2.5, True])
def test_numbers_that_are_none(bad: object) -> None:
    """Under the names that a config has for them."""
    for name, argument in (("slice_batch", "batch"), ("prompt_chunk", "chunk")):
        with pytest.raises(CobotError, match=f"{name}={bad!r}: give a whole number of at least 1"):
            PromptedVolumeInferer(SIZE, **{argument: bad})


class Bar(tqdm):
    """Keeps every bar that was made, and the places it showed."""

    made: ClassVar[list[Bar]] = []

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        self.shown = [] if self.disable else [self.n]
        self.made.append(self)

    def update(self, n=1):
        super().update(n)
        if not self.disable:
            self.shown.append(self.n)


@pytest.mark.parametrize("progress", [True, False])
def test_progress_over_the_slices(monkeypatch, capsys, progress: bool) -> None:
    monkeypatch.setattr("monai_cobot.inferers.volume.tqdm", Bar)
    monkeypatch.setattr(Bar, "made", [])
    inferer = PromptedVolumeInferer(
        SIZE, prompts="organ", organ_labels=[7, 9], batch=4, progress=progress
    )
    inferer(boxy_label()[None], Embedding(), {}, case="patient 3")
    (bar,) = Bar.made
    assert bar.shown == ([0, 4, Z] if progress else [])
    written = capsys.readouterr().err
    assert ("patient 3" in written) == progress
    assert (f"0/{Z}" in written) == progress
