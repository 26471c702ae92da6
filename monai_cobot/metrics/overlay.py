"""Picture of a case: truth, prediction and prompts on one slice, or on a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from monai_cobot.errors import CobotError
from monai_cobot.metrics.callouts import Target
from monai_cobot.metrics.choice import telling_slice
from monai_cobot.metrics.plane import draw_plane
from monai_cobot.metrics.volume import ScoredOrgan

Prompts = Mapping[int, tuple[ArrayLike, ArrayLike]]
_AIR = 0.08 * 255  # pixels up to this are air (or lung)
_MARGIN = 0.03  # of the body's size, kept around it

MOST_DRAWN = 60
"""So many instances of a picture are drawn."""


def overlay(
    image: NDArray[Any],
    truth: NDArray[Any],
    prediction: NDArray[Any],
    prompts: Prompts,
    organs: Sequence[ScoredOrgan],
    path: str | Path,
    *,
    title: str = "",
    pixel_spacing: tuple[float, float] | None = None,
    z: int | None = None,
    place: str = "",
) -> None:
    """Draw one slice: outlines of truth (solid) and prediction (dashed), boxes, organ names.

    The slice is cropped to the body. Every organ's name stands beside the slice with its Dice on
    this slice, and a line leads to it.

    Args:
        image: (Z, H, W), slice frame, 0..255.
        truth: (Z, H, W) integers, slice frame.
        prediction: (Z, H, W) integers, slice frame.
        prompts: slice number -> (boxes (P, 4) XYXY in the slice frame, organs (P,)).
        organs: label and name of the organs.
        path: image file to write; the suffix says the format.
        title: headline, such as the case and its Dice.
        pixel_spacing: mm of a pixel down and across, for their right proportion; None if square.
        z: the slice to draw; None for :func:`telling_slice`.
        place: where it lies, for the headline; default "slice z of Z".

    Raises:
        CobotError: the shapes differ, or there is no such slice.
    """
    if not image.shape == truth.shape == prediction.shape or image.ndim != 3:
        raise CobotError(
            f"image {image.shape}, truth {truth.shape} and prediction {prediction.shape} must be "
            f"one (Z, H, W) to be drawn in {path}: give stacks of slices of one volume"
        )
    z = telling_slice(truth) if z is None else z
    if not 0 <= z < len(image):
        raise CobotError(f"slice {z} cannot be drawn in {path}: choose 0 to {len(image) - 1}")
    boxes = np.asarray(prompts[z][0] if z in prompts else [], dtype=float).reshape(-1, 4)
    down, across = pixel_spacing or (1.0, 1.0)
    place = place or f"slice {z + 1} of {len(image)}"
    draw_plane(
        image[z],
        [Target(o.name, truth[z] == o.label, prediction[z] == o.label) for o in organs],
        boxes,
        _body(image[z], (truth[z] > 0) | (prediction[z] > 0), boxes),
        path,
        f"{title}   {place}, with its Dice beside the names",
        proportion=across / down,
    )


def instance_overlay(
    image: NDArray[Any],
    truths: NDArray[Any] | None,
    predictions: NDArray[Any],
    boxes: ArrayLike,
    classes: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
    scores: Sequence[float] = (),
    instances: int | None = None,
) -> None:
    """Draw one picture with its instances, which may overlap and share a class.

    More than :data:`MOST_DRAWN` of them cannot be told apart: give those of
    :func:`drawn_instances`.

    Args:
        image: (1 or 3, H, W), slice frame, 0..255.
        truths: (P, H, W) masks, slice frame; None where there is no truth.
        predictions: (P, H, W) masks, slice frame, of the same instances.
        boxes: (P, 4) XYXY, slice frame, the prompts that were used.
        classes: (P,) names.
        path: image file to write; the suffix says the format.
        title: headline, such as the case.
        scores: (P,), where there is no truth: what stands beside the names in place of the Dice.
        instances: how many the picture has, where not all are given.

    Raises:
        CobotError: the shapes do not belong together.
    """
    drawn = np.zeros_like(predictions) if truths is None else truths
    masks = (len(classes), *image.shape[1:])
    if (
        image.ndim != 3
        or len(image) not in (1, 3)
        or not drawn.shape == predictions.shape == masks
        or (truths is None and len(scores) != len(classes))
    ):
        raise CobotError(
            f"image {image.shape}, truths {drawn.shape}, predictions {predictions.shape} and "
            f"{len(classes)} classes cannot be drawn in {path}: give (1 or 3, H, W), twice "
            "(P, H, W), and P; without truths P scores"
        )
    notes = [f"{score:.2f}" for score in scores] if truths is None else [None] * len(classes)
    targets = [
        Target(name, true != 0, predicted != 0, note)
        for name, true, predicted, note in zip(classes, drawn, predictions, notes, strict=True)
    ]
    height, width = image.shape[1:]
    draw_plane(
        image[0] if len(image) == 1 else np.moveaxis(image, 0, -1),
        targets,
        np.asarray(boxes, dtype=float).reshape(-1, 4),
        (0, height, 0, width),
        path,
        f"{title}   {_counted(len(targets), instances)}, "
        f"with {'Dice' if truths is not None else 'score'} beside the names",
        truth=truths is not None,
    )


def drawn_instances(areas: Sequence[int]) -> list[int]:
    """Places of the instances that are drawn, of all areas: the largest, in their order."""
    largest = sorted(range(len(areas)), key=lambda place: -areas[place])[:MOST_DRAWN]
    return sorted(largest)


def _counted(drawn: int, instances: int | None) -> str:
    if instances is not None and instances > drawn:
        return f"the {drawn} largest of {instances} instances"
    return f"{drawn} instance{'s' * (drawn != 1)}"


def _body(
    plane: NDArray[Any], target: NDArray[np.bool_], boxes: NDArray[Any]
) -> tuple[float, float, float, float]:
    """Top, bottom, left, right around everything that is not air, in pixel edges."""
    height, width = plane.shape
    parts, count = ndimage.label(plane > _AIR)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    # The largest part is the trunk; the table and the arms are parts of their own.
    trunk = parts == 1 + int(np.argmax(sizes[1:])) if count else np.zeros_like(target)
    rows, columns = (np.flatnonzero((trunk | target).any(axis=axis)) for axis in (1, 0))
    top, bottom = (rows[0], rows[-1] + 1) if len(rows) else (0, height)
    left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, width)
    margin = _MARGIN * max(bottom - top, right - left)
    x = np.array([left - margin, right + margin, *boxes[:, [0, 2]].ravel()])
    y = np.array([top - margin, bottom + margin, *boxes[:, [1, 3]].ravel()])
    return (max(y.min(), 0), min(y.max(), height), max(x.min(), 0), min(x.max(), width))
