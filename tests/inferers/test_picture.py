"""Pictures as batches: boxes of a file, truth in the order of the answers, both prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from monai.metrics import DiceMetric

from monai_cobot.errors import CobotError
from monai_cobot.inferers import (
    OracleBoxes,
    PictureBoxes,
    PictureCollate,
    PromptedImageInferer,
    masks_as_items,
)
from monai_cobot.transforms import BoxPrompt, write_prompts
from tests.data.picture_files import SIZE, save_picture

ORGANS = {"ship": 1, "tire": 2}
HEIGHT, WIDTH = SIZE


def item() -> dict[str, object]:
    """A picture with two ships and a tire."""
    masks = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    masks[0, 1:3, 2:6] = masks[1, 4:6, 0:2] = masks[2, 0:1, 7:8] = 1
    return {
        "image": torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8), "masks": masks,
        "organs": torch.tensor([1, 1, 2]), "instances": torch.tensor([7, 8, 9]),
        "case": "a", "patient": "p", "source": "a.png",
    }  # fmt: skip


def test_truth_is_in_the_order_of_the_answers() -> None:
    batch = PictureCollate(OracleBoxes(), "both", [2, 1])([item()])
    masks = item()["masks"]
    assert batch["boxes"].tolist() == [[2, 1, 6, 3], [0, 4, 2, 6], [7, 0, 8, 1]]
    assert batch["instances"] == [7, 8, 9]
    assert torch.equal(batch["label"][:3], masks)
    assert torch.equal(batch["label"][3], masks[2])  # tires
    assert torch.equal(batch["label"][4], masks[0] | masks[1])  # ships
    alone = PictureCollate(OracleBoxes(), "organ", [1, 2])([item()])
    assert alone["label"].shape == (2, HEIGHT, WIDTH)
    with pytest.raises(CobotError, match="2 pictures in a batch"):
        PictureCollate(OracleBoxes())([item(), item()])


def test_a_picture_without_targets_is_in_no_mean() -> None:
    mean = DiceMetric()
    mask = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    mask[0, :2] = 1
    none = mask[:0]
    for pred, label in ((mask, mask), (none, none), (1 - mask, mask)):
        mean(*masks_as_items({"pred": pred, "label": label}))
    assert mean.aggregate().item() == 0.5  # 1 and 0


class TwoOrgans:
    """Answers boxes by their inside; knows the first organ in the upper half, and no second."""

    def __call__(self, image, boxes=None):
        side = image.shape[-1]
        organs = -torch.ones(1, 2, side, side)
        organs[0, 0, : side // 4] = 1
        if boxes is None:
            return organs
        logits = -torch.ones(len(boxes[0]), 1, side, side)
        for plane, (x0, y0, x1, y1) in zip(logits, boxes[0].round().int().tolist(), strict=True):
            plane[0, y0:y1, x0:x1] = 1
        return logits


@pytest.mark.parametrize("chunk", [1, 64])
def test_masks_of_boxes_then_of_organs(chunk: int) -> None:
    batch = PictureCollate(OracleBoxes(), "both", [1, 2])([item()])
    inferer = PromptedImageInferer(64, prompts="both", organ_labels=[1, 2], chunk=chunk)
    found = inferer(batch["image"], TwoOrgans(), batch["boxes"], case="a")
    assert found.dtype == torch.uint8
    assert torch.equal(found[:3], item()["masks"])
    assert found[3, :2].min() == 1  # a quarter of 64 rows are 16, of which a row here takes 8
    assert found[3, 2:].max() == 0
    assert found[4].max() == 0
    none = torch.zeros(0, 4)
    organs = PromptedImageInferer(64, prompts="organ", organ_labels=[1, 2])
    assert torch.equal(organs(batch["image"], TwoOrgans(), none), found[3:])
    boxes = PromptedImageInferer(64)
    assert boxes(batch["image"], TwoOrgans(), none).shape == (0, HEIGHT, WIDTH)


def test_unknown_prompts_are_refused() -> None:
    with pytest.raises(CobotError, match="prompts='points': choose one of"):
        PromptedImageInferer(64, prompts="points")


def write(tmp_path: Path, *prompts: BoxPrompt) -> Path:
    file = tmp_path / "boxes.json"
    write_prompts(file, {"a": list(prompts)}, ORGANS)
    return file


def test_boxes_of_a_file(tmp_path: Path) -> None:
    cases = [
        {"case": name, "image": str(save_picture(tmp_path / f"{name}.png"))} for name in ("a", "b")
    ]
    file = write(tmp_path, BoxPrompt(2, 0, (1, 2, 8, 6)), BoxPrompt(1, 0, (0, 0, 2.5, 3)))
    boxes = PictureBoxes(file, ORGANS)
    boxes.check(cases)
    found, organs = boxes({"case": "a"})[0]
    assert found.tolist() == [[1, 2, 8, 6], [0, 0, 2.5, 3]]
    assert organs.tolist() == [2, 1]
    assert boxes({"case": "b"}) == {}


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (BoxPrompt(1, 1, (0, 0, 2, 2)), "slice 1 of a picture: give slice 0"),
        (BoxPrompt(1, 0, (0, 0, 9, 2)), r"reaches outside: give 0 <= x0 < x1 <= 8"),
        (BoxPrompt(1, 0, (3, 0, 3, 2)), "is empty"),
    ],
)
def test_boxes_that_do_not_fit(tmp_path: Path, prompt: BoxPrompt, message: str) -> None:
    cases = [{"case": "a", "image": str(save_picture(tmp_path / "a.png"))}]
    with pytest.raises(CobotError, match=message):
        PictureBoxes(write(tmp_path, prompt), ORGANS).check(cases)


def test_a_strange_case_is_named(tmp_path: Path) -> None:
    cases = [{"case": "b", "image": str(save_picture(tmp_path / "b.png"))}]
    with pytest.raises(CobotError, match=r"names case 'a', which is not among the images \(b"):
        PictureBoxes(write(tmp_path, BoxPrompt(1, 0, (0, 0, 2, 2))), ORGANS).check(cases)
