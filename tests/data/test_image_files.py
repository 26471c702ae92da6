from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_cobot.data.image_files import image_size, mask_pixels, pictures, plain_images
from monai_cobot.errors import CobotError
from tests.data.picture_files import block, save_mask, save_picture


def test_pictures_are_told_by_their_ending(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "._a.jpeg", "c.tif"):
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    assert list(pictures(tmp_path)) == ["a", "b", "c"]
    assert pictures(tmp_path / "absent") == {}


def test_one_name_twice(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "a.jpg").touch()
    with pytest.raises(CobotError, match=r"picture a is there twice, as a\.jpg and a\.png: remove"):
        pictures(tmp_path)


def test_a_plain_folder(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"no picture in .*: expected \.png.*or something else"):
        plain_images(tmp_path, "something else")
    path = save_picture(tmp_path / "a.jpg")
    assert plain_images(tmp_path, "") == [{"case": "a", "patient": "a", "image": str(path)}]


def test_size_is_rows_and_columns(tmp_path: Path) -> None:
    assert image_size(save_picture(tmp_path / "a.jpg", size=(3, 7))) == (3, 7)


def test_an_orientation_in_the_file_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("L", (7, 3)).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (3, 7)


def test_palette_masks_give_their_indices(tmp_path: Path) -> None:
    """As VOC's files have them: the colours of the palette do not count."""
    mask = Image.fromarray(block(1, 1, 4, 5, value=11)).convert("L")
    indexed = Image.frombytes("P", mask.size, mask.tobytes())
    indexed.putpalette([200, 0, 0] * 256)
    indexed.save(tmp_path / "m.png")
    np.testing.assert_array_equal(mask_pixels(tmp_path / "m.png"), block(1, 1, 4, 5, value=11))


def test_grey_masks_and_deep_ones_keep_their_numbers(tmp_path: Path) -> None:
    pixels = block(1, 1, 4, 5, value=9)
    np.testing.assert_array_equal(mask_pixels(save_mask(tmp_path / "m.png", pixels)), pixels)
    deep = pixels.astype(np.uint16) * 1000
    Image.fromarray(deep).save(tmp_path / "d.png")
    np.testing.assert_array_equal(mask_pixels(tmp_path / "d.png"), deep)
