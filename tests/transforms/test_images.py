"""Pictures and masks from files, against what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_cobot.errors import CobotError
from monai_cobot.transforms.images import read_image, read_mask

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
COLOUR = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def save(picture: Image.Image, path: Path, **how) -> Path:
    picture.save(path, **how)
    return path


def test_grey_stays_grey_and_colour_comes_channel_first(tmp_path: Path) -> None:
    grey = read_image(save(Image.fromarray(GREY), tmp_path / "g.png"))
    colour = read_image(save(Image.fromarray(COLOUR), tmp_path / "c.png"))
    assert (grey.dtype, colour.dtype) == (torch.uint8, torch.uint8)
    np.testing.assert_array_equal(grey.numpy(), GREY[None])
    np.testing.assert_array_equal(colour.numpy(), np.moveaxis(COLOUR, 2, 0))
    assert colour.is_contiguous()


def test_black_and_white_becomes_0_and_255(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY > 100), tmp_path / "bw.png")
    np.testing.assert_array_equal(read_image(path)[0].numpy(), (GREY > 100) * 255)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode=None).convert("P")
    picture.putpalette([0, 0, 0, 10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1, 2, 1])
    path = save(picture, tmp_path / "p.png")
    assert read_image(path)[:, 0, 1].tolist() == [10, 20, 30]
    assert read_image(path)[:, 1, 0].tolist() == [40, 50, 60]
    assert read_mask(path).tolist() == [[0, 1], [2, 1]]


def test_an_orientation_in_the_file_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    path = save(Image.fromarray(GREY), tmp_path / "turned.jpg", exif=exif, quality=95)
    assert read_image(path).shape == (1, 4, 6)


def test_an_alpha_channel_that_says_nothing_is_dropped(tmp_path: Path) -> None:
    alpha = np.full((4, 6), 255, np.uint8)
    path = save(Image.fromarray(np.dstack([COLOUR, alpha])), tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(path).numpy(), np.moveaxis(COLOUR, 2, 0))
    layers = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    np.testing.assert_array_equal(read_image(save(layers, tmp_path / "la.png"))[0].numpy(), GREY)
    alpha[1, 2] = 254
    path = save(Image.fromarray(np.dstack([COLOUR, alpha])), tmp_path / "through.png")
    with pytest.raises(CobotError, match=r"through\.png has pixels that one can see through"):
        read_image(path)


def test_more_than_8_bits_are_refused_as_image_and_taken_as_mask(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY.astype(np.uint16) * 200), tmp_path / "deep.png")
    with pytest.raises(CobotError, match=r"deep\.png has more than 8 bits .*save it with 8 bits"):
        read_image(path)
    np.testing.assert_array_equal(read_mask(path), GREY.astype(int) * 200)


def test_a_mask_keeps_its_numbers_and_loses_its_alpha(tmp_path: Path) -> None:
    alpha = np.full((4, 6), 255, np.uint8)
    path = save(Image.fromarray(np.dstack([COLOUR * 0, alpha])), tmp_path / "m.png")
    assert not read_mask(path).any()
    assert read_mask(save(Image.fromarray(GREY > 100), tmp_path / "bw.png")).max() == 1
    fractions = save(Image.fromarray(GREY.astype(np.float32)), tmp_path / "f.tif")
    with pytest.raises(CobotError, match=r"f\.tif holds float32, which is no mask"):
        read_mask(fractions)


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_what_cannot_be_read_is_named(tmp_path: Path, read) -> None:
    with pytest.raises(CobotError, match=r"none\.png does not exist: check the path"):
        read(tmp_path / "none.png")
    whole = save(Image.fromarray(COLOUR), tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    for name in ("half", "text"):
        with pytest.raises(CobotError, match=rf"{name}\.png is not readable as a picture"):
            read(tmp_path / f"{name}.png")
