"""The slice cache: the same slices, written once, made anew when their files change."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_cobot.data import known_files
from monai_cobot.data.slice_cache import CachedVolumes, SliceCache
from monai_cobot.data.slices import SliceDataset
from monai_cobot.errors import CobotError
from monai_cobot.inferers import OracleBoxes, VolumeCollate
from monai_cobot.transforms import (
    Preprocessing,
    boxes_from_label,
    source_geometry,
    volume_transforms,
)
from tests.data.cohort import CT, RECIPE, Counting, make_items


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return make_items(tmp_path_factory.mktemp("cohort"))


def keep(sample: dict[str, Any]) -> dict[str, Any]:
    return sample


@pytest.mark.parametrize("workers", [0, 2])
def test_the_slices_are_those_of_memory(items, tmp_path: Path, workers: int) -> None:
    read = Counting(tmp_path / "notes")
    plain = SliceDataset(items, volume_transforms(CT), keep, empty_slices=0.5)
    for times in (3, 3):  # read once, then no more
        cache = SliceCache(tmp_path / "cache", RECIPE, workers)
        cached = SliceDataset(items, read, keep, empty_slices=0.5, cache=cache)
        assert read.times == times
        assert len(cached) == len(plain)
        for one, other in zip(plain, cached, strict=True):
            assert (one["case"], one["slice"]) == (other["case"], other["slice"])
            assert torch.equal(one["image"], other["image"])
            assert torch.equal(one["label"], other["label"])
            for found in (one["found_boxes"], other["found_boxes"]):
                boxes, organs = boxes_from_label(one["label"][0])
                assert torch.equal(found.boxes, boxes)
                assert torch.equal(found.organs, organs)


def test_whole_volumes_are_those_of_the_files(items, tmp_path: Path) -> None:
    """As a validation is given them: values, spacing, boxes, source, to the bit."""
    read, collate = Counting(tmp_path / "notes"), VolumeCollate(OracleBoxes())
    cached = CachedVolumes(SliceCache(tmp_path / "cache", RECIPE), read)
    for _ in range(2):
        for item in items:
            plain, found = read.read(item), pickle.loads(pickle.dumps(cached))(item)
            assert found.keys() == plain.keys()
            for key in ("image", "label"):
                assert found[key].dtype == plain[key].dtype
                assert torch.equal(found[key].affine, plain[key].affine)
                (affine, shape), source = source_geometry(found[key]), source_geometry(plain[key])
                assert np.array_equal(affine, source[0])
                assert shape == source[1]
                assert torch.equal(found[key].as_tensor(), plain[key].as_tensor())
            expected, batch = collate([plain]), collate([found])
            assert batch["spacing"] == expected["spacing"]
            assert batch["source"] == expected["source"]
            assert batch["prompts"].keys() == expected["prompts"].keys()
            for z, (boxes, organs) in expected["prompts"].items():
                assert torch.equal(batch["prompts"][z][0], boxes)
                assert torch.equal(batch["prompts"][z][1], organs)
    assert read.times == len(items)


def test_what_it_is_made_from_decides(items, tmp_path: Path) -> None:
    """Another preprocessing, another label file, other label values: made anew; a copy: not."""
    read, folder = Counting(tmp_path / "notes"), tmp_path / "cache"

    def stacks(item: Mapping[str, Any], recipe: Mapping[str, Any] = RECIPE) -> np.ndarray:
        return SliceCache(folder, recipe).stacks([item], read)[0].label.mapped()

    item = dict(items[0])
    stacks(item)
    copy = tmp_path / "elsewhere.nii.gz"
    copy.write_bytes(Path(item["label"]).read_bytes())
    stacks({**item, "case": "other", "label": str(copy)})
    assert read.times == 1
    stacks(item, Preprocessing("CT", (-100, 200)).to_dict())
    assert read.times == 2
    label = nib.load(item["label"])
    changed = np.asarray(label.dataobj).copy()
    changed[changed == 1] = 2
    nib.save(nib.Nifti1Image(changed, label.affine), copy)
    found = stacks({**item, "label": str(copy)})
    assert read.times == 3
    assert not (found == 1).any()
    stacks({**item, "label_values": {2: 2}})
    assert read.times == 4


def fill(folder: str, items: list[dict[str, Any]], notes: str, start: Any) -> None:
    start.wait()
    SliceCache(Path(folder), RECIPE).stacks(items, Counting(Path(notes), seconds=0.5))


def test_two_processes_that_start_together_make_one_cache(items, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    arguments = (str(tmp_path / "cache"), items, str(tmp_path / "notes"), start)
    processes = [context.Process(target=fill, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    assert Counting(tmp_path / "notes").times == len(items)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2 * len(items)


def test_no_process_starts_for_what_is_there(
    items, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function within a test could not be sent to one."""
    monkeypatch.setattr(known_files, "SETTLED_NS", -1)
    expected = SliceCache(tmp_path, RECIPE).stacks(items, volume_transforms(CT))
    found = SliceCache(tmp_path, RECIPE, workers=2).stacks(items, lambda _: pytest.fail("read"))
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.image, other.image)


def test_a_folder_that_is_none(items, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CobotError, match=r"cache_dir .*file cannot be written .*: choose another"):
        SliceCache(tmp_path / "file", RECIPE).stacks(items[:1], volume_transforms(CT))
