from __future__ import annotations

import pickle
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from monai_cobot.data.draws import DrawnDataset
from monai_cobot.data.sampler import ResumableBatchSampler
from monai_cobot.data.slice_cache import SliceCache
from monai_cobot.data.slices import ImageDataset, SliceDataset, collate_slices
from monai_cobot.errors import CobotError
from monai_cobot.transforms import Preprocessing, slice_transforms, volume_transforms
from tests.nifti_files import oblique_affine, write_nifti

SIZE = 32
VOLUME_TRANSFORM = volume_transforms(Preprocessing("CT", (-160, 240)))
JITTERED = slice_transforms(SIZE, {"mode": "outward", "size": 100})


def case_item(folder: Path, case: str, organ_slices: dict[int, list[int]]) -> dict[str, str]:
    """A 20 x 16 x 8 volume stored as RAS; organ to the slices that hold it."""
    label = np.zeros((20, 16, 8), np.uint8)
    for organ, slices in organ_slices.items():
        label[organ : organ + 4, 3 * organ : 3 * organ + 3, slices] = organ
    affine = oblique_affine("RAS")
    values = np.random.default_rng(len(case)).integers(-300, 300, label.shape, np.int16)
    image_path = write_nifti(folder / f"{case}_0000.nii.gz", values, affine)
    label_path = write_nifti(folder / f"{case}.nii.gz", label, affine)
    return {"case": case, "image": str(image_path), "label": str(label_path)}


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, str]]:
    return [case_item(tmp_path, "a", {1: [2, 3], 4: [3, 6]}), case_item(tmp_path, "bb", {2: [0]})]


def test_slices_with_a_target_each_once_with_all_their_organs(items) -> None:
    dataset = SliceDataset(items, VOLUME_TRANSFORM, slice_transforms(SIZE))
    found = [(s["case"], s["slice"], s["organs"].tolist()) for s in dataset]
    assert found == [("a", 2, [1]), ("a", 3, [1, 4]), ("a", 6, [4]), ("bb", 0, [2])]
    assert len(dataset) == 4


def test_samples_are_plain_tensors_of_the_model_frame(items) -> None:
    sample = SliceDataset(items, VOLUME_TRANSFORM, slice_transforms(SIZE))[1]
    assert sample["image"].shape == (3, SIZE, SIZE)
    assert sample["target"].shape == (2, SIZE, SIZE)
    assert {type(value) for value in sample.values()} == {torch.Tensor, str, int, tuple}
    assert {type(sample[key]) for key in ("image", "target", "boxes", "organs")} == {torch.Tensor}


def test_slices_are_the_files_own_voxels(items) -> None:
    dataset = SliceDataset(items, VOLUME_TRANSFORM, lambda sample: sample)
    sample = dataset[2]
    stored = nib.load(items[0]["label"]).get_fdata()[:, :, 6]  # RAS: i right, j anterior
    np.testing.assert_array_equal(sample["label"][0].numpy(), stored[::-1, ::-1].T)


def test_a_draw_is_known_from_seed_and_number(items) -> None:
    dataset = SliceDataset(items, VOLUME_TRANSFORM, JITTERED, seed=5)
    twin = SliceDataset(items, VOLUME_TRANSFORM, JITTERED, seed=5)
    other = SliceDataset(items, VOLUME_TRANSFORM, JITTERED, seed=6)
    boxes = [dataset[draw]["boxes"] for draw in range(8)]
    for draw in reversed(range(8)):  # another order, the same draws
        assert torch.equal(twin[draw]["boxes"], boxes[draw])
    assert not torch.equal(boxes[1], boxes[5])  # the same slice, an epoch later
    assert dataset[5]["slice"] == dataset[1]["slice"]
    assert not torch.equal(other[1]["boxes"], boxes[1])


def test_workers_change_nothing(items) -> None:
    dataset = SliceDataset(items, VOLUME_TRANSFORM, JITTERED, seed=5)

    def boxes(workers: int) -> list[torch.Tensor]:
        sampler = ResumableBatchSampler(len(dataset), batch_size=2, seed=1)
        loader = DataLoader(
            dataset, batch_sampler=sampler, collate_fn=collate_slices, num_workers=workers
        )
        batches = iter(loader)
        return [box for _ in range(5) for box in next(batches)["boxes"]]

    alone, shared = boxes(0), boxes(2)
    assert len(alone) == 10
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


def memory(value: Any) -> set[int]:
    """Where the tensors of an entry lie."""
    if isinstance(value, torch.Tensor):
        return {value.untyped_storage().data_ptr()} if value.numel() else set()
    if is_dataclass(value):
        value = vars(value)
    return set().union(*map(memory, value.values())) if isinstance(value, dict) else set()


@pytest.mark.parametrize("kind", ["memory", "cache", "pictures"])
def test_nothing_that_is_drawn_is_the_datasets_own(items, tmp_path: Path, kind: str) -> None:
    """Torch moves what a worker sends into shared memory, in place, with a descriptor each.

    What the dataset kept would keep its descriptor, until there are too many.
    """
    dataset: DrawnDataset
    if kind == "pictures":
        target = {"instance": 1, "organ": "a", "segmentation": []}
        picture = {"image": torch.ones(1, 8, 8), "organs": torch.tensor([1])}
        data = [{"case": "a", "image": "", "instances": [target]}]
        dataset = ImageDataset(data, lambda item: dict(picture), dict, cache=True)
    else:
        cache = SliceCache(tmp_path / "cache", {}) if kind == "cache" else None
        dataset = SliceDataset(items, VOLUME_TRANSFORM, dict, cache=cache)
    first, second = dataset.entry(0), dataset.entry(0)
    assert len(memory(first)) == (2 if kind == "pictures" else 4)
    assert memory(first).isdisjoint(memory(second))


def test_workers_that_are_spawned_are_not_sent_the_cache(items, tmp_path: Path) -> None:
    """Of the volumes' 20 x 16 pixels a slice, a byte each of image and label."""
    plain, cached = (
        SliceDataset(items, VOLUME_TRANSFORM, JITTERED, cache=cache)
        for cache in (None, SliceCache(tmp_path / "cache", {}))
    )
    sent, of_cache = pickle.dumps(plain), pickle.dumps(cached)
    assert len(sent) - len(of_cache) > len(plain) * 2 * 20 * 16 / 2
    assert torch.equal(pickle.loads(of_cache)[1]["boxes"], plain[1]["boxes"])


def test_batches_stack_images_and_list_the_rest(items) -> None:
    dataset = SliceDataset(items, VOLUME_TRANSFORM, slice_transforms(SIZE))
    batch = collate_slices([dataset[0], dataset[1]])
    assert batch["image"].shape == (2, 3, SIZE, SIZE)
    assert [len(boxes) for boxes in batch["boxes"]] == [1, 2]
    assert [len(target) for target in batch["target"]] == [1, 2]
    assert batch["slice"] == [2, 3]


def test_only_the_slices_that_an_item_names(items) -> None:
    chosen = [{**items[0], "slices": [0, 3, 6]}]
    dataset = SliceDataset(chosen, VOLUME_TRANSFORM, slice_transforms(SIZE))
    assert [sample["slice"] for sample in dataset] == [3, 6]


def test_an_empty_label_is_named(tmp_path: Path, items) -> None:
    empty = case_item(tmp_path, "none", {})
    with pytest.raises(CobotError, match=r"empty label: .*none\.nii\.gz holds no target: mend"):
        SliceDataset([items[0], empty], VOLUME_TRANSFORM, JITTERED)


def test_slices_without_a_target_are_named(items) -> None:
    with pytest.raises(CobotError, match=r"a\.nii\.gz holds no target on the slices taken"):
        SliceDataset([{**items[0], "slices": [0]}], VOLUME_TRANSFORM, JITTERED)


def test_a_label_of_another_shape_is_named(tmp_path: Path, items) -> None:
    write_nifti(Path(items[0]["label"]), np.ones((20, 16, 7), np.uint8), np.eye(4))
    with pytest.raises(CobotError, match=r"a\.nii\.gz and .*a_0000\.nii\.gz differ in shape"):
        SliceDataset(items, VOLUME_TRANSFORM, JITTERED)


def test_no_item_is_an_error() -> None:
    with pytest.raises(CobotError, match="the datalist is empty"):
        SliceDataset([], VOLUME_TRANSFORM, JITTERED)


def test_a_negative_draw_is_an_index_error(items) -> None:
    with pytest.raises(IndexError, match="draw -1 is negative"):
        SliceDataset(items, VOLUME_TRANSFORM, JITTERED)[-1]


def test_empty_slices_at_even_distances(items) -> None:
    """Slices of eight, some of which hold a target."""

    def slices(empty_slices: float) -> list[int]:
        dataset = SliceDataset(
            items[:1], VOLUME_TRANSFORM, slice_transforms(SIZE), empty_slices=empty_slices
        )
        return [sample["slice"] for sample in dataset]

    with_target = slices(0)
    empty = [z for z in range(8) if z not in with_target]
    assert slices(10) == list(range(8))
    one = [z for z in slices(1 / len(with_target)) if z not in with_target]
    assert one == [empty[len(empty) // 2]]
    for wrong in (-1, "many", True, float("inf")):
        with pytest.raises(CobotError, match="empty_slices="):
            slices(wrong)
