"""Who hides whom: objects and their parts."""

from __future__ import annotations

import numpy as np
from numpy.random import default_rng

from monai_cobot.drawings.objects import DrawnObject, random_objects, visible_masks


def block(
    rows: tuple[int, int], columns: tuple[int, int], holder: int | None = None, group: int = 0
) -> DrawnObject:
    """A filled rectangle on a canvas of 16 pixels; half open."""
    coverage = np.zeros((16, 16), np.float32)
    coverage[slice(*rows), slice(*columns)] = 1
    return DrawnObject(coverage, (8.0, 8.0), 4.0, group, holder)


def test_a_later_object_hides_what_it_covers() -> None:
    below, above = visible_masks([block((0, 8), (0, 8)), block((4, 12), (4, 12))])
    assert below.sum() == 64 - 16
    assert not below[4:8, 4:8].any()
    assert above.sum() == 64


def test_a_part_hides_others_but_none_that_hold_it() -> None:
    body = block((0, 12), (0, 12))
    eye = block((2, 8), (2, 8), holder=0)
    pupil = block((3, 5), (3, 5), holder=1)
    masks = visible_masks([body, eye, pupil])
    assert masks.sum((1, 2)).tolist() == [144, 36, 4]
    stranger = block((0, 4), (0, 16))
    masks = visible_masks([body, stranger, block((2, 8), (2, 8), holder=0)])
    assert masks[0].sum() == 144 - 48  # the stranger lies over the body,
    assert masks[1].sum() == 64 - 2 * 6  # and the part over the stranger
    assert masks[2].sum() == 36


def test_half_covered_pixels_are_not_seen() -> None:
    drawn = block((0, 4), (0, 4))
    drawn.coverage[:, 3] *= 0.5
    assert visible_masks([drawn]).sum() == 12


def test_objects_of_many_seeds() -> None:
    """Parts are within their holders, repeated ones alike, and all of it occurs."""
    parts = repeated = alone = 0
    counts: set[int] = set()
    for seed in range(120):
        objects = random_objects(default_rng(seed), 64)
        counts.add(len(objects))
        for number, drawn in enumerate(objects):
            assert drawn.coverage.shape == (64, 64)
            assert drawn.coverage.dtype == np.float32
            assert 0 <= drawn.coverage.min() <= drawn.coverage.max() <= 1
            if drawn.holder is not None:
                assert drawn.holder < number
                assert (drawn.coverage <= objects[drawn.holder].coverage).all()
                seen = visible_masks(objects[:number])[drawn.holder]
                assert not drawn.coverage[~seen].any()  # nothing of it where the holder is hidden
                parts += 1
            alike = [other for other in objects if other.group == drawn.group]
            assert len({other.half for other in alike}) == 1
            repeated += len(alike) > 1
            alone += len(alike) == 1
    assert min(parts, repeated, alone) > 20
    assert min(counts) >= 1
    assert len(counts) > 5
    assert max(counts) <= 16


def test_the_same_generator_gives_the_same_objects() -> None:
    first, second = (random_objects(default_rng(7), 64) for _ in range(2))
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.coverage, other.coverage)
        assert (one.group, one.holder, one.half) == (other.group, other.holder, other.half)
