"""Drawings as a whole: reproducible, and their masks are what is seen."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import Generator
from scipy import ndimage

from monai_cobot.drawings import Drawing, draw, scene
from monai_cobot.drawings.objects import DrawnObject
from monai_cobot.drawings.scene import LEAST_VISIBLE, SMALLEST_AREA
from monai_cobot.drawings.styles import STYLES

SIZE = 64

OTHER_PROCESS = """
import hashlib
from monai_cobot.drawings import draw
digest = hashlib.sha256()
for number in (3, 1, 2):
    drawing = draw(5, number, 64)
    digest.update(drawing.image.tobytes() + drawing.masks.tobytes() + drawing.style.encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def drawings() -> list[Drawing]:
    return [draw(11, number, SIZE) for number in range(150)]


def test_the_same_in_every_process_and_order() -> None:
    digest = hashlib.sha256()
    before = [draw(5, number, SIZE) for number in range(4)]
    for number in (3, 1, 2):
        drawing = before[number]
        digest.update(drawing.image.tobytes() + drawing.masks.tobytes() + drawing.style.encode())
    other = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, timeout=120
    )
    assert other.stdout.strip() == digest.hexdigest(), other.stderr


def test_other_seeds_and_numbers_are_other_drawings() -> None:
    images = {draw(seed, number, SIZE).image.tobytes() for seed in (0, 1) for number in range(5)}
    assert len(images) == 10
    # (seed, number) is no sum: the rows of two seeds do not run into one another
    assert draw(0, 1, SIZE).image.tobytes() != draw(1, 0, SIZE).image.tobytes()


@pytest.mark.parametrize("size", [48, 64, 100])
def test_the_longer_side_is_as_asked_for(size: int) -> None:
    shapes = {draw(2, number, size).image.shape for number in range(14)}
    for channels, height, width in shapes:
        assert channels == 3
        assert max(height, width) == size
        assert min(height, width) >= int(0.6 * size)
    assert any(height < width for _, height, width in shapes)
    assert any(height > width for _, height, width in shapes)


def test_masks_are_targets(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        assert drawing.image.dtype == np.uint8
        assert drawing.masks.dtype == np.bool_
        assert drawing.masks.shape[1:] == drawing.image.shape[1:]
        assert len(drawing.masks) >= 1
        areas = drawing.masks.sum((1, 2))
        assert areas.min() >= SMALLEST_AREA
        assert areas.max() < 0.95 * drawing.masks[0].size
        assert drawing.image.flags["C_CONTIGUOUS"]
        assert drawing.masks.flags["C_CONTIGUOUS"]


def test_every_style_is_drawn_about_as_often_as_it_should(drawings: list[Drawing]) -> None:
    count = len(drawings)
    for style in STYLES:
        found = sum(drawing.style == style.name for drawing in drawings)
        deviation = np.sqrt(count * style.share * (1 - style.share))
        assert found >= 1
        assert abs(found - count * style.share) < 4 * deviation, style.name


def test_most_objects_can_be_told_from_what_is_around_them(drawings: list[Drawing]) -> None:
    steps = []
    for drawing in drawings:
        image = drawing.image.astype(float)
        for mask in drawing.masks:
            near = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask)
            if near.any():
                steps.append(np.abs(image[:, mask].mean(1) - image[:, near].mean(1)).max())
    assert np.median(steps) > 15
    assert np.mean(np.array(steps) < 2) < 0.1


def blocks(*places: tuple[slice, slice]) -> list[DrawnObject]:
    """Filled rectangles in turn, on a canvas of 64 pixels."""
    objects = []
    for group, place in enumerate(places):
        coverage = np.zeros((SIZE, SIZE), np.float32)
        coverage[place] = 1
        objects.append(DrawnObject(coverage, (32.0, 32.0), 10.0, group))
    return objects


def areas(monkeypatch: pytest.MonkeyPatch, *attempts: list[DrawnObject]) -> list[int]:
    """Areas of the targets where these objects are placed, a list an attempt, in a square."""
    given: Iterator[list[DrawnObject]] = iter(attempts)
    monkeypatch.setattr(scene, "random_objects", lambda rng, size: next(given))
    monkeypatch.setattr(scene, "_sides", lambda rng, size: (size, size))
    found: list[int] = draw(0, 0, SIZE).masks.sum((1, 2)).tolist()
    return found


def test_an_object_of_too_few_pixels_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    side = slice(0, SMALLEST_AREA)
    just, less = (side, slice(0, 1)), (slice(0, SMALLEST_AREA - 1), slice(10, 11))
    assert areas(monkeypatch, blocks(just, less)) == [SMALLEST_AREA]


def test_an_object_that_is_hardly_seen_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20 x 20 pixels 300 and 280 are hidden: 0.25 and 0.3 are seen."""
    assert LEAST_VISIBLE == 0.3
    below = (slice(0, 20), slice(0, 20))
    hidden = blocks(below, (slice(0, 15), slice(0, 20)))
    assert areas(monkeypatch, hidden) == [300]
    seen = blocks(below, (slice(0, 14), slice(0, 20)))
    assert areas(monkeypatch, seen) == [120, 280]


def test_what_fills_the_picture_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    everything, something = (slice(0, 64), slice(0, 64)), (slice(0, 10), slice(0, 10))
    assert areas(monkeypatch, blocks(something, everything), blocks(something)) == [100]
    assert areas(monkeypatch, blocks((slice(0, 62), slice(0, 60)))) == [62 * 60]


def test_without_a_target_it_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, good = (slice(0, 2), slice(0, 2)), (slice(5, 15), slice(5, 15))
    assert areas(monkeypatch, blocks(tiny), blocks(tiny), blocks(good)) == [100]


def test_a_crop_cuts_masks_and_image_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    def wide(rng: Generator, size: int) -> tuple[int, int]:
        return 40, size

    monkeypatch.setattr(scene, "_sides", wide)
    place = (slice(30, 50), slice(0, 20))
    monkeypatch.setattr(scene, "random_objects", lambda rng, size: blocks(place))
    drawing = draw(0, 0, SIZE)
    assert drawing.image.shape == (3, 40, 64)
    assert drawing.masks.sum((1, 2)).tolist() == [200]


def test_what_a_sector_hides_is_no_target_and_counts_as_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two blocks, of which the device sees all and less than ``LEAST_VISIBLE``."""

    def half_seen(rng: Generator, canvas: np.ndarray, objects: list[DrawnObject]) -> np.ndarray:
        for drawn in objects:
            drawn.coverage = drawn.coverage.copy()
            drawn.coverage[:, 30:] = 0
        return canvas

    def blocks(rng: Generator, size: int) -> list[DrawnObject]:
        whole, cut = np.zeros((2, size, size), np.float32)
        whole[5:15, 5:15] = 1
        cut[20:36, 28:44] = 1  # 2 of 16 columns are seen
        return [DrawnObject(c, (20.0, 20.0), 8.0, n) for n, c in enumerate((whole, cut))]

    monkeypatch.setattr(scene, "random_objects", blocks)
    monkeypatch.setattr(scene, "STYLES", [replace(STYLES[0], finish=half_seen)])
    monkeypatch.setattr(scene, "_sides", lambda rng, size: (size, size))
    (mask,) = draw(1, 0, SIZE).masks
    assert mask.sum() == 100
    assert mask[5:15, 5:15].all()
