"""Pictures on disk: which files they are, what they are called, and how PIL opens them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def pictures(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by their name without ending, sorted; hidden files are none.

    Raises:
        CobotError: two files of one name that differ in their ending.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith("."):
            with aside("case_twice", path, path.stem):
                if path.stem in found:
                    raise CobotError(
                        f"picture {path.stem} is there twice, as {found[path.stem].name} and "
                        f"{path.name}: remove one of them from {folder}"
                    )
                found[path.stem] = path
    return found


def plain_images(folder: Path, expected: str) -> list[Case]:
    """Cases of a folder of pictures without truth, each its own patient.

    Args:
        folder: absolute path.
        expected: the dataset's own layout, for the message.

    Raises:
        CobotError: no picture in it.
    """
    found = pictures(folder)
    if not found:
        raise CobotError(
            f"no picture in {folder}: expected {', '.join(IMAGE_ENDINGS)} files there, "
            f"or {expected}"
        )
    return [{"case": name, "patient": name, "image": str(path)} for name, path in found.items()]


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """A picture that PIL has opened, not yet decoded; closed at the end of the block.

    Raises:
        CobotError: missing, or what PIL says of it, also while the block decodes it.
    """
    try:
        with Image.open(path) as image:
            yield image
    except CobotError:
        raise
    except FileNotFoundError:
        raise CobotError(f"{path} does not exist: check the path") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CobotError(
            f"{path} is not readable as a picture, it may be truncated ({error}): copy it again"
        ) from None


def image_size(path: str | Path) -> tuple[int, int]:
    """Rows and columns (H, W) as the header says, without decoding; CobotError as ``opened``."""
    with opened(path) as image:
        return image.height, image.width


def colours(path: str | Path) -> NDArray[np.uint8]:
    """Colours of a picture (H, W, 3), slice frame; CobotError as ``opened``."""
    with opened(path) as image:
        return np.asarray(image.convert("RGB"))


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of size and colours (H, W, 3): the same for a copy in another file format."""
    return hashlib.sha256(f"{pixels.shape}|".encode() + pixels.tobytes()).hexdigest()


def mask_pixels(path: str | Path) -> NDArray[np.integer]:
    """Numbers of a mask file (H, W), slice frame: palette indices, the largest of the colours.

    An alpha channel does not count.

    Raises:
        CobotError: missing or unreadable, or numbers that are not whole.
    """
    with opened(path) as image:
        if "A" in image.getbands():
            image = image.convert("L" if image.mode.startswith("L") else "RGB")
        pixels = np.asarray(image)
        if pixels.ndim == 3:
            pixels = pixels.max(axis=2)
        if pixels.dtype.kind == "f":
            raise CobotError(f"{path} holds fractions, which is no mask: save it as integers")
        return pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels
