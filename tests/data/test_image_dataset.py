from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from monai_cobot.data.sampler import ResumableBatchSampler
from monai_cobot.data.slices import ImageDataset, collate_slices
from monai_cobot.errors import CobotError
from monai_cobot.transforms import image_transforms, slice_transforms

SIZE = 32
READ = image_transforms({"ship": 1, "tire": 2})
JITTERED = slice_transforms(SIZE, {"mode": "outward", "size": 100}, max_instances=2)


def instance(number: int, organ: str, x: int, **more: Any) -> dict[str, Any]:
    outline = [x, 2, x + 4, 2, x + 4, 9, x, 9]
    return {"instance": number, "organ": organ, "segmentation": [outline], **more}


def case(folder: Path, name: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (16, 20), dtype=np.uint8)
    path = folder / f"{name}.png"
    Image.fromarray(pixels).save(path)
    return {"case": name, "patient": name, "image": str(path), "instances": instances}


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        case(
            tmp_path, "a", [instance(5, "tire", 1), instance(6, "ship", 9), instance(7, "ship", 2)]
        ),
        case(tmp_path, "empty", []),
        case(tmp_path, "crowd", [instance(1, "ship", 1, crowd=True)]),
        case(tmp_path, "bb", [instance(3, "ship", 1, crowd=True), instance(4, "tire", 12)]),
        {key: value for key, value in case(tmp_path, "untold", []).items() if key != "instances"},
    ]


def test_pictures_with_a_target_each_once_with_all_of_them(items) -> None:
    dataset = ImageDataset(items, READ, slice_transforms(SIZE))
    found = [
        (s["case"], s["slice"], s["organs"].tolist(), s["instances"].tolist()) for s in dataset
    ]
    assert found == [("a", 0, [2, 1, 1], [5, 6, 7]), ("bb", 0, [2], [4])]
    assert len(dataset) == 2
    assert dataset[0]["target"].shape == (3, SIZE, SIZE)


def test_a_draw_is_known_from_seed_and_number(items) -> None:
    dataset = ImageDataset(items, READ, JITTERED, seed=5)
    twin = ImageDataset(items, READ, JITTERED, seed=5, cache=True)
    boxes = [dataset[draw]["boxes"] for draw in range(8)]
    for draw in reversed(range(8)):
        assert torch.equal(twin[draw]["boxes"], boxes[draw])
    assert not torch.equal(boxes[0], boxes[2])  # the same picture, an epoch later
    chosen = {tuple(dataset[draw]["instances"].tolist()) for draw in range(0, 40, 2)}
    assert chosen == {(5, 6), (5, 7), (6, 7)}


def test_workers_change_nothing(items) -> None:
    dataset = ImageDataset(items, READ, JITTERED, seed=5)

    def boxes(workers: int) -> list[torch.Tensor]:
        loader = DataLoader(
            dataset,
            batch_sampler=ResumableBatchSampler(len(dataset), seed=1),
            collate_fn=collate_slices,
            num_workers=workers,
        )
        batches = iter(loader)
        return [box for _ in range(6) for box in next(batches)["boxes"]]

    assert all(torch.equal(a, b) for a, b in zip(boxes(0), boxes(2), strict=True))


def test_pictures_are_read_when_they_are_drawn(items) -> None:
    read: list[str] = []

    def counting(item: Any) -> Any:
        read.append(item["case"])
        return READ(item)

    lazy = ImageDataset(items, counting, slice_transforms(SIZE))
    assert read == []
    first, _, again = lazy[1], lazy[1], lazy[1]
    assert read == ["bb"] * 3
    read.clear()
    cached = ImageDataset(items, counting, slice_transforms(SIZE), cache=True)
    for sample in (cached[1], cached[3], cached[5]):
        assert torch.equal(sample["image"], first["image"])
        assert torch.equal(sample["target"], again["target"])
    assert read == ["bb"]


def test_batches_stack_images_and_list_the_rest(items) -> None:
    dataset = ImageDataset(items, READ, slice_transforms(SIZE))
    batch = collate_slices([dataset[0], dataset[1]])
    assert batch["image"].shape == (2, 3, SIZE, SIZE)
    assert [len(target) for target in batch["target"]] == [3, 1]


def test_no_target_is_an_error(items) -> None:
    with pytest.raises(CobotError, match="none of 2 pictures holds a target: give pictures"):
        ImageDataset(items[1:3], READ, JITTERED)


def test_a_file_that_went_missing_is_named(items) -> None:
    dataset = ImageDataset(items, READ, JITTERED)
    Path(items[0]["image"]).unlink()
    with pytest.raises(CobotError, match=r"a\.png does not exist: check the path"):
        dataset[0]


def test_pictures_that_hold_nothing_are_taken_where_asked(items) -> None:
    """Neither a crowd nor a picture without annotation holds nothing."""
    dataset = ImageDataset(items, READ, slice_transforms(SIZE, organ_labels=[1, 2]), empty_slices=1)
    assert [sample["case"] for sample in dataset] == ["a", "empty", "bb"]
    empty = dataset[1]
    assert (len(empty["target"]), len(empty["boxes"])) == (0, 0)
    assert int(empty["organ_target"].sum()) == 0
