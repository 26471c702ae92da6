from __future__ import annotations

import pytest
import torch

from monai_cobot.errors import CobotError
from monai_cobot.transforms import (
    BoxJitter,
    BoxJitterd,
    SAMFrame,
    masks_from_label,
    slice_transforms,
)

HEIGHT, WIDTH, SIZE = 40, 80, 32


def two_organs() -> dict[str, object]:
    label = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    label[0, 4:12, 8:20] = 5
    label[0, 20:40, 50:80] = 1
    image = torch.arange(HEIGHT * WIDTH).reshape(1, HEIGHT, WIDTH).remainder(256).to(torch.uint8)
    return {"image": image, "label": label, "case": "a", "slice": 7}


def test_a_sample_holds_all_organs_of_the_slice_in_the_model_frame() -> None:
    item = two_organs()
    sample = slice_transforms(SIZE)(item)
    assert set(sample) == {
        *("image", "target", "boxes", "organs", "case", "slice", "original_size", "input_size")
    }
    assert sample["organs"].tolist() == [1, 5]
    factor = SIZE / WIDTH
    expected = torch.tensor([[50, 20, 80, 40], [8, 4, 20, 12]]) * factor
    torch.testing.assert_close(sample["boxes"], expected)
    assert sample["target"].shape == (2, SIZE, SIZE)
    assert torch.equal(sample["image"], SAMFrame(HEIGHT, WIDTH, SIZE).image_to_model(item["image"]))
    assert (sample["original_size"], sample["input_size"]) == ((HEIGHT, WIDTH), (16, 32))
    assert (sample["case"], sample["slice"]) == ("a", 7)


def test_each_target_lies_in_its_box() -> None:
    sample = slice_transforms(SIZE)(two_organs())
    for mask, (x0, y0, x1, y1) in zip(sample["target"], sample["boxes"].tolist(), strict=True):
        rows, columns = torch.nonzero(mask, as_tuple=True)
        assert y0 - 1 < rows.min()
        assert rows.max() < y1
        assert x0 - 1 < columns.min()
        assert columns.max() < x1


def test_the_item_given_is_left_alone() -> None:
    item = two_organs()
    slice_transforms(SIZE, {"mode": "outward", "size": 50})(item)
    assert set(item) == {"image", "label", "case", "slice"}


def test_jitter_is_clipped_to_the_area_without_padding_and_seeded() -> None:
    transform = slice_transforms(SIZE, {"mode": "outward", "size": 1000})
    samples = [transform.set_random_state(seed=seed)(two_organs()) for seed in (3, 3, 4)]
    first, again, other = (sample["boxes"] for sample in samples)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first[:, 3] <= 16).all()
    exact = slice_transforms(SIZE)(two_organs())
    assert torch.equal(samples[0]["target"], exact["target"])
    assert not torch.equal(first, exact["boxes"])


def test_the_dictionary_form_draws_through_the_array_form() -> None:
    boxes, area = torch.tensor([[3.0, 3, 9, 9]]), (16, 32)
    jitter = BoxJitter("symmetric", 50, SIZE)
    both = BoxJitterd("boxes", jitter).set_random_state(seed=8)
    moved = both({"boxes": boxes, "input_size": area})["boxes"]
    assert torch.equal(moved, jitter.set_random_state(seed=8)(boxes, area))


def test_a_bad_jitter_is_refused_when_the_transform_is_made() -> None:
    with pytest.raises(CobotError, match="unknown box jitter mode"):
        slice_transforms(SIZE, {"mode": "random"})


def with_masks() -> dict[str, object]:
    """The same slice as a picture would come: masks, their classes, their ids."""
    item = two_organs()
    masks, organs = masks_from_label(item.pop("label")[0])
    return {**item, "masks": masks, "organs": organs, "instances": torch.tensor([31, 12])}


def test_masks_take_the_path_of_labels() -> None:
    jitter = {"mode": "symmetric", "size": 50}
    first, second = (
        slice_transforms(SIZE, jitter).set_random_state(seed=3)(item)
        for item in (two_organs(), with_masks())
    )
    assert second.pop("instances").tolist() == [31, 12]
    assert first.keys() == second.keys()
    for key in ("image", "target", "boxes", "organs"):
        assert torch.equal(first[key], second[key])


def test_overlapping_targets_of_one_class_stay_apart() -> None:
    item = with_masks()
    item["masks"] = torch.stack([item["masks"][0], item["masks"].amax(dim=0)])
    item["organs"] = torch.tensor([2, 2])
    sample = slice_transforms(SIZE)(item)
    assert sample["organs"].tolist() == [2, 2]
    assert (sample["target"][1] >= sample["target"][0]).all()
    expected = torch.tensor([8.0, 4, 80, 40]) * (SIZE / WIDTH)
    torch.testing.assert_close(sample["boxes"][1], expected)


def many(count: int) -> dict[str, object]:
    masks = torch.zeros(count, 8, count, dtype=torch.uint8)
    masks[range(count), 3, range(count)] = 1
    ids = torch.arange(count)
    return {"image": masks[:1], "masks": masks, "organs": ids + 1, "instances": 10 * ids}


def test_at_most_so_many_targets_are_drawn_and_all_their_entries_with_them() -> None:
    transform = slice_transforms(20, max_instances=3)
    seen = set()
    for seed in range(40):
        sample = transform.set_random_state(seed=seed)(many(20))
        organs = sample["organs"].tolist()
        assert len(organs) == 3
        assert organs == sorted(organs)
        assert sample["instances"].tolist() == [10 * (organ - 1) for organ in organs]
        assert sample["boxes"][:, 0].tolist() == [organ - 1 for organ in organs]
        assert len(sample["target"]) == 3
        again = transform.set_random_state(seed=seed)(many(20))
        assert again["organs"].tolist() == organs
        seen |= set(organs)
    assert seen == set(range(1, 21))  # 120 draws of 20: each is missed with chance 0.85 ** 40


def test_few_targets_are_all_kept() -> None:
    for count in (1, 3):
        sample = slice_transforms(20, max_instances=3)(many(count))
        assert sample["organs"].tolist() == list(range(1, count + 1))


@pytest.mark.parametrize("most", [0, -1, 2.5, True])
def test_a_bad_number_of_targets_is_refused(most: object) -> None:
    with pytest.raises(CobotError, match=f"max_instances={most!r}: give a whole number"):
        slice_transforms(SIZE, max_instances=most)


def test_organ_targets_are_the_unions_of_the_table() -> None:
    """Also where some targets are left out, and for organs that are not there."""
    item = two_organs()
    masks = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    masks[0, 4:12, 8:20], masks[1, 20:40, 50:80], masks[2, 0:4, 0:8] = 1, 1, 1
    del item["label"]
    item |= {"masks": masks, "organs": torch.tensor([5, 1, 5])}
    sample = slice_transforms(SIZE, max_instances=1, organ_labels=[1, 2, 5])(item)
    assert len(sample["target"]) == 1
    frame = SAMFrame(HEIGHT, WIDTH, SIZE)
    both = (masks[0] | masks[2])[None]
    assert torch.equal(sample["organ_target"][0], frame.masks_to_model(masks[1:2])[0])
    assert int(sample["organ_target"][1].sum()) == 0
    assert torch.equal(sample["organ_target"][2], frame.masks_to_model(both)[0])
    assert "organ_masks" not in sample
