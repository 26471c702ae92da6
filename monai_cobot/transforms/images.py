"""Pictures from files: what PIL reads, as SAM's bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from monai_cobot.errors import CobotError

GREY = ("1", "L")
DEEP = ("I", "F")  # also I;16, I;16B, …
SEE_THROUGH = ("LA", "La", "PA", "RGBA", "RGBa")


def read_image(path: str | Path) -> torch.Tensor:
    """Read a picture.

    Pixels stay where the file has them: an orientation in the EXIF data is ignored, as COCO's
    annotations do. Palettes and other colour spaces become RGB; grey stays grey.

    Args:
        path: a file of a format that PIL knows (PNG, JPEG, TIFF, BMP, …).

    Returns:
        (1, H, W) for grey and black-and-white or (3, H, W) for colour, uint8, 0..255, slice frame.

    Raises:
        CobotError: missing, unreadable or truncated; more than 8 bits a channel; pixels that one
            can see through.
    """
    with open_picture(path) as picture:
        if picture.mode.startswith(DEEP):
            raise CobotError(
                f"{path} has more than 8 bits a channel (mode {picture.mode}): scale it to 0..255, "
                "with a window of your choice, and save it with 8 bits"
            )
        if picture.mode in SEE_THROUGH or "transparency" in picture.info:
            picture = _opaque(picture, path)
        pixels = np.array(picture.convert("L" if picture.mode in GREY else "RGB"))
    if pixels.ndim == 2:
        return torch.from_numpy(pixels)[None]
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_mask(path: str | Path) -> NDArray[np.integer]:
    """Read a mask: the numbers that the file stores, of a palette the indices.

    Args:
        path: a file of a format that PIL knows, of integers.

    Returns:
        (H, W) integers, slice frame; of colours the largest, transparency does not count.

    Raises:
        CobotError: missing, unreadable or truncated; fractions.
    """
    with open_picture(path) as picture:
        if picture.mode in SEE_THROUGH:
            picture = picture.convert("L" if picture.mode.startswith("L") else "RGB")
        pixels = np.array(picture)
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8)
    if pixels.dtype.kind not in "ui":
        raise CobotError(f"{path} holds {pixels.dtype}, which is no mask: save it as integers")
    return pixels.max(axis=2) if pixels.ndim == 3 else pixels


def open_picture(path: str | Path) -> Image.Image:
    """Open a picture and decode it; CobotError names a file that is missing or broken."""
    try:
        picture = Image.open(path)
        picture.load()
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CobotError(
            f"{path} is not readable as a picture, it may be truncated ({error}): copy it again"
        ) from None
    return picture


def _opaque(picture: Image.Image, path: str | Path) -> Image.Image:
    """The colours of a picture whose alpha channel says nothing; CobotError where it does."""
    grey = picture.mode in ("L", "LA", "La")
    layers = picture.convert("RGBA")
    if layers.getchannel("A").getextrema()[0] != 255:
        raise CobotError(
            f"{path} has pixels that one can see through: flatten it onto a background of your "
            "choice"
        )
    return layers.convert("L" if grey else "RGB")
