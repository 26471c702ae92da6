"""Boxes perturbed the same way wherever the same slice is segmented or compared."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch

from monai_cobot.transforms import BoxJitter, SAMFrame


def jittered_boxes(
    boxes: torch.Tensor,
    jitter: BoxJitter | None,
    frame: SAMFrame,
    seed: int,
    case: str,
    z: int = 0,
) -> torch.Tensor:
    """Perturb the boxes of one slice, or of a picture.

    Args:
        boxes: (P, 4) XYXY, slice frame.
        jitter: perturbs them in the model frame; None leaves them exact.
        frame: of the slice.
        seed: with ``case`` and ``z`` it alone decides the draw.
        case: the case's name.
        z: the slice, voxel frame; 0 for a picture.

    Returns:
        (P, 4) XYXY, slice frame; exact boxes (no jitter, or of size 0) are the tensor given.
    """
    if jitter is None or jitter.size == 0:
        return boxes
    entropy = (seed, crc32(case.encode()), z)
    jitter.set_random_state(seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]))
    return frame.boxes_to_slice(jitter(frame.boxes_to_model(boxes), frame.resized))
