"""Windows of the image tokens: as a list of equal ones, or all of one size with their padding.

SAM cuts the (H, W) tokens of an image into windows of w x w. Where w does not divide H or W, it
pads with zeros at the bottom and on the right **before** the projection to q, k and v, and does not
mask: the padding's keys and values are what the projection makes of zeros, and every token attends
to them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Region(NamedTuple):
    """Windows next to each other that hold equally many image tokens.

    Attributes:
        top, bottom, left, right: of the region, in tokens; bottom and right are excluded.
        height, width: image tokens of each of its windows; w x w but at the padded edges.
    """

    top: int
    bottom: int
    left: int
    right: int
    height: int
    width: int


def regions(height: int, width: int, window: tuple[int, int]) -> list[Region]:
    """Divide the tokens of an image into at most four regions: inner, right, bottom and corner.

    Args:
        height: H, in tokens.
        width: W, in tokens.
        window: height and width of a window, in tokens.
    """
    return [
        Region(top, bottom, left, right, h, w)
        for top, bottom, h in _spans(height, window[0])
        for left, right, w in _spans(width, window[1])
    ]


def _spans(length: int, window: int) -> list[tuple[int, int, int]]:
    whole = length // window * window
    spans = [(0, whole, window), (whole, length, length - whole)]
    return [span for span in spans if span[1] > span[0]]


def cut(tokens: Tensor, region: Region) -> Tensor:
    """The windows of a region, a view.

    Args:
        tokens: (B, H, W, ...).
        region: of these tokens.

    Returns:
        (B, rows, height, columns, width, ...); rows x columns windows.
    """
    part = tokens[:, region.top : region.bottom, region.left : region.right]
    part = torch.unflatten(part, 2, (-1, region.width))
    return torch.unflatten(part, 1, (-1, region.height))


def partition(tokens: Tensor, filler: Tensor, window: int) -> Tensor:
    """Pad the tokens and cut them into windows, without a branch on the sizes.

    Args:
        tokens: (B, H, W, F).
        filler: (F,), features of the padding.
        window: w, in tokens.

    Returns:
        (B windows, w, w, F), row by row.
    """
    batch, height, width, features = tokens.shape
    below, beside = (-height) % window, (-width) % window
    padded = torch.cat((tokens, filler.expand(batch, height, beside, features)), dim=2)
    bottom = filler.expand(batch, below, width + beside, features)
    padded = torch.cat((padded, bottom), dim=1)
    rows, columns = (height + below) // window, (width + beside) // window
    cells = padded.reshape(batch, rows, window, columns, window, features)
    return cells.permute(0, 1, 3, 2, 4, 5).reshape(-1, window, window, features)


def assemble(windows: Tensor, height: int, width: int) -> Tensor:
    """Undo :func:`partition`: windows (B windows, w, w, F) -> tokens (B, H, W, F)."""
    window, features = windows.shape[1], windows.shape[3]
    rows, columns = (height + window - 1) // window, (width + window - 1) // window
    cells = windows.reshape(-1, rows, columns, window, window, features)
    padded = cells.permute(0, 1, 3, 2, 4, 5).reshape(-1, rows * window, columns * window, features)
    return padded[:, :height, :width]
