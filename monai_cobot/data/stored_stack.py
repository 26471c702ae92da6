"""A stack of slices in a file, which is open only while it is read or mapped."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class StoredStack:
    """Slices (Z, 1, H, W) uint8, slice frame, of a ``.npy`` file.

    Only its place is kept: no descriptor, of which a process may have as few as 1024, and nothing
    that would be copied to the workers of a loader.

    Args:
        file: the ``.npy`` file.
        shape: (Z, 1, H, W).
        offset: bytes before the first slice.
    """

    file: Path
    shape: tuple[int, ...]
    offset: int

    @classmethod
    def checked(cls, file: Path, shape: list[int]) -> StoredStack:
        """The stack of a file that is as it was written.

        Raises:
            FileNotFoundError, EOFError, ValueError: it is not there, cut off, or of another shape
                or type.
        """
        found = np.load(file, mmap_mode="r", allow_pickle=False)
        if not isinstance(found, np.memmap):
            raise ValueError(f"{file.name} is no array")
        if list(found.shape) != shape or found.dtype != np.uint8 or not found.flags.c_contiguous:
            raise ValueError(f"{file.name} has shape {found.shape}, not {tuple(shape)}")
        with suppress(OSError):  # of a folder that others own
            os.utime(file)  # so that what nobody uses can be told by its date
        return cls(file, tuple(shape), found.offset)

    def mapped(self) -> NDArray[np.uint8]:
        """All slices, read from the file where they are looked at.

        Raises:
            CobotError: the file is gone, or was changed.
        """
        with self._there():
            return np.memmap(self.file, np.uint8, "r", self.offset, self.shape)

    def slice(self, z: int) -> NDArray[np.uint8]:
        """A slice, (1, H, W), in memory; CobotError as :meth:`mapped`.

        It is read from what the system keeps of the file, in half the time of a mapping.
        """
        size = math.prod(self.shape[1:])
        with self._there():
            found = np.fromfile(self.file, np.uint8, size, offset=self.offset + z * size)
            return found.reshape(self.shape[1:])

    @contextmanager
    def _there(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise CobotError(
                f"{self.file} of cache_dir cannot be read any more ({error}): start again with "
                "the same command, which makes it anew"
            ) from error
