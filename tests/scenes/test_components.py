"""Components of a map that comes block by block, against scipy's of the whole map."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from monai_cobot.scenes.area import Area
from monai_cobot.scenes.components import EIGHT, Components


def by_blocks(
    classes: NDArray[np.uint8], rows: int, columns: int, min_area: int = 0
) -> tuple[NDArray[np.uint32], list[int], list[int]]:
    height, width = classes.shape
    components, numbers = Components(width), np.zeros(classes.shape, np.uint32)
    for top in range(0, height, rows):
        line = Area(top, 0, min(top + rows, height), width)
        for area in line.blocks_of_columns(columns):
            place = area.within(Area(0, 0, height, width))
            numbers[place] = components.number(classes[place], area)
    final, labels, pixels = components.finish(min_area)
    return final[numbers], labels.tolist(), pixels.tolist()


def whole(classes: NDArray[np.uint8], min_area: int = 0) -> set[tuple[int, bytes]]:
    """Label and mask of every component."""
    found = set()
    for label in (1, 2):
        numbers, count = ndimage.label(classes == label, EIGHT)
        for number in range(1, count + 1):
            mask = numbers == number
            if mask.sum() >= min_area:
                found.add((label, mask.tobytes()))
    return found


@pytest.mark.parametrize("blocks", [(40, 50), (7, 9), (1, 50), (13, 1), (1, 1)])
@pytest.mark.parametrize("share", [0.15, 0.4])
def test_components_across_borders(blocks: tuple[int, int], share: float) -> None:
    random = np.random.default_rng(3)
    classes = random.choice([0, 1, 2], (40, 50), p=[1 - share, share / 2, share / 2])
    classes = classes.astype(np.uint8)
    for min_area in (0, 4):
        numbers, labels, pixels = by_blocks(classes, *blocks, min_area)
        found = {
            (labels[number], (numbers == number).tobytes()) for number in range(1, len(labels))
        }
        assert found == whole(classes, min_area)
        assert pixels[1:] == np.bincount(numbers.ravel())[1:].tolist()


def test_a_spiral_and_corners_are_one() -> None:
    classes = np.zeros((5, 5), np.uint8)
    classes[[0, 1, 2, 1, 0], [0, 1, 2, 3, 4]] = 1  # touch at corners alone
    assert by_blocks(classes, 1, 1)[1:] == ([0, 1], [0, 5])
    assert by_blocks(np.zeros((3, 3), np.uint8), 2, 2)[1:] == ([0], [0])
