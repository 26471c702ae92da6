"""Windows against segment-anything's own partition."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.image_encoder import window_partition
from torch.nn import functional as F

from monai_cobot.sam.windows import assemble, cut, partition, regions

sizes = pytest.mark.parametrize(
    ("height", "width", "window"), [(16, 16, 14), (28, 14, 14), (5, 9, 4), (3, 2, 7)]
)


@sizes
def test_partition_is_segment_anything_s_with_another_padding(
    height: int, width: int, window: int
) -> None:
    tokens, filler = torch.randn(2, height, width, 6), torch.randn(6)
    expected, _ = window_partition(tokens - filler, window)
    actual = partition(tokens, filler, window)
    # Up to the rounding of taking the filler away and adding it again.
    torch.testing.assert_close(actual, expected + filler, atol=1e-6, rtol=0)
    assert torch.equal(assemble(actual, height, width), tokens)


@sizes
def test_regions_are_the_windows_without_their_padding(
    height: int, width: int, window: int
) -> None:
    tokens = torch.arange(1, height * width + 1).reshape(1, height, width, 1)
    expected, _ = window_partition(tokens, window)
    found = set()
    for region in regions(height, width, (window, window)):
        cells = cut(tokens, region).permute(0, 1, 3, 2, 4, 5)
        pad = (0, 0, 0, window - region.width, 0, window - region.height)
        found |= {tuple(cell.flatten().tolist()) for cell in F.pad(cells, pad).flatten(0, 2)}
    assert found == {tuple(cell.flatten().tolist()) for cell in expected}
