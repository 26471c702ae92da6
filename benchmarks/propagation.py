"""Propagation from one box an organ, against a box on every slice and against a 3D box.

    python -m monai_cobot phantom --out phantoms --cases 5 --seed 31
    python benchmarks/propagation.py --data phantoms          # the small SAM as it is
    python benchmarks/propagation.py --data phantoms --checkpoint adapter_best.safetensors

Three answers of the same network to prompts made from the truth: the tight box of every organ on
every slice; the tight 3D box, which is one box on all slices of the organ; and the tight box on the
organ's middle slice alone, propagated. Prints Dice an organ, and by how many slices the propagated
organ reaches beyond its ends (over) or stays short of them (under), both ends together.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from monai_cobot.bundle import build_for_inference
from monai_cobot.data import datasets
from monai_cobot.inferers import PromptedVolumeInferer
from monai_cobot.transforms import (
    Preprocessing,
    SlicePrompts,
    Start,
    prompts_from_label,
    volume_to_slices,
    volume_transforms,
    voxel_spacing,
)

ANSWERS = ("box a slice", "3D box", "propagated")


def prompts_3d(prompts: SlicePrompts) -> SlicePrompts:
    """The organs' tight 3D boxes, as the same box on each of their slices."""
    sides: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for boxes, organs in prompts.values():
        for box, organ in zip(boxes, organs.tolist(), strict=True):
            low, high = sides.get(organ, (box[:2], box[2:]))
            sides[organ] = (torch.minimum(low, box[:2]), torch.maximum(high, box[2:]))
    return {
        z: (torch.stack([torch.cat(sides[organ]) for organ in organs.tolist()]), organs)
        for z, (_, organs) in prompts.items()
    }


def middle_starts(prompts: SlicePrompts, slices: int) -> list[Start]:
    """A start on the middle one of every organ's slices."""
    places = defaultdict(list)
    for z, (boxes, organs) in prompts.items():
        for box, organ in zip(boxes, organs.tolist(), strict=True):
            places[organ].append((z, box))
    middles = {organ: found[len(found) // 2] for organ, found in sorted(places.items())}
    return [Start(organ, z, box, None, 0, slices - 1) for organ, (z, box) in middles.items()]


def answers(network: Callable[..., torch.Tensor], size: int, item: Any) -> Iterator[NDArray[Any]]:
    """The label maps (Z, H, W) of the three answers, in the order of ANSWERS."""
    inferer, image = PromptedVolumeInferer(size), item["image"].as_tensor()[None]
    prompts = prompts_from_label(item["label"])
    starts, spacing = middle_starts(prompts, image.shape[-1]), voxel_spacing(item["image"])
    for given, followed in ((prompts, []), (prompts_3d(prompts), []), ({}, starts)):
        found = inferer(image, network, given, starts=followed, spacing=spacing)
        yield volume_to_slices(found[0])[:, 0].numpy()


def reach(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int]:
    """Slices beyond the truth's ends, and slices short of them."""
    here, there = (np.flatnonzero(m.any(axis=(1, 2))) for m in (mask, truth))
    if not len(here):
        return 0, len(there)
    ends = np.array([here[-1] - there[-1], there[0] - here[0]])
    return int(ends.clip(min=0).sum()), int((-ends).clip(min=0).sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", default="none")
    arguments = parser.parse_args()
    spec = datasets.get("ADOME")
    network = build_for_inference(
        arguments.checkpoint, sam="small", method="freeze", orchestrate=False
    ).eval()
    read = volume_transforms(Preprocessing(spec.modality, spec.window))
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for case in spec.find_cases(arguments.data):
        item = read(case)
        truth = volume_to_slices(item["label"])[:, 0].numpy()
        for answer, found in zip(
            ANSWERS, answers(network, network.base.image_size, item), strict=True
        ):
            for organ, label in spec.labels.items():
                a, b = found == label, truth == label
                if not b.any():
                    continue
                scores[organ, answer].append(2 * (a & b).sum() / (a.sum() + b.sum()))
                if answer == ANSWERS[-1]:
                    over, under = reach(a, b)
                    scores[organ, "over"].append(over)
                    scores[organ, "under"].append(under)
    columns = (*ANSWERS, "over", "under")
    table = Table("organ", *columns)
    present = [organ for organ in spec.labels if scores[organ, "over"]]
    means = {organ: [float(np.mean(scores[organ, c])) for c in columns] for organ in present}
    for organ, values in {**means, "mean": np.mean(list(means.values()), axis=0)}.items():
        table.add_row(organ, *(f"{v:.3f}" for v in values[:3]), *(f"{v:.1f}" for v in values[3:]))
    Console().print(table)


if __name__ == "__main__":
    main()
