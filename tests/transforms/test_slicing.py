from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_cobot.errors import CobotError
from monai_cobot.transforms import slices_to_volume, volume_to_slices

X, Y, Z = 5, 4, 3


def numbered_volume() -> torch.Tensor:
    return torch.arange(2 * X * Y * Z).reshape(2, X, Y, Z)


def test_right_is_on_the_viewers_left_and_anterior_on_top() -> None:
    volume = torch.zeros(1, X, Y, Z)
    volume[0, X - 1, Y - 1, 2] = 1  # rightmost, most anterior, uppermost slice
    volume[0, 0, 1, 0] = 2  # leftmost, second from the back, lowest slice
    slices = volume_to_slices(volume)
    assert slices.shape == (Z, 1, Y, X)
    assert slices[2, 0, 0, 0] == 1
    assert slices[0, 0, 2, X - 1] == 2


def test_every_voxel_is_where_the_formula_says() -> None:
    volume = numbered_volume()
    slices = volume_to_slices(volume)
    for c, x, y, z in np.ndindex(2, X, Y, Z):
        assert slices[z, c, Y - 1 - y, X - 1 - x] == volume[c, x, y, z]


def test_slices_reassembled_are_the_volume() -> None:
    volume = numbered_volume()
    assert torch.equal(slices_to_volume(volume_to_slices(volume)), volume)


def test_numpy_and_torch_agree_and_numpy_is_a_view() -> None:
    volume = numbered_volume()
    array = volume.numpy()
    slices = volume_to_slices(array)
    np.testing.assert_array_equal(slices, volume_to_slices(volume).numpy())
    np.testing.assert_array_equal(slices_to_volume(slices), array)
    assert np.shares_memory(slices, array)


def test_slices_carry_no_metadata() -> None:
    assert type(volume_to_slices(MetaTensor(numbered_volume()))) is torch.Tensor


@pytest.mark.parametrize("cut", [volume_to_slices, slices_to_volume])
def test_three_axes_are_refused_with_the_remedy(cut) -> None:
    with pytest.raises(CobotError, match=r"shape \(5, 4, 3\): add the channel axis"):
        cut(torch.zeros(5, 4, 3))
