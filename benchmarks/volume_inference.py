"""A volume with boxes through the whole inference, and the memory of a long one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import torch
from harness import Row, Settings, compare, counted
from numpy.typing import NDArray
from resident import AT_ONCE, peak_anew, resident
from segment_anything import SamPredictor
from volumes import labels

from monai_cobot.inferers import PromptedVolumeInferer
from monai_cobot.sam import build_adapted_sam, for_inference, load_base
from monai_cobot.transforms import SlicePrompts, prompts_from_label

PART = "volume_inference"
KNOWN = 3
"""Bytes a voxel of the volume and the label map, of which the map is there twice."""


def measure(settings: Settings) -> Iterator[Row]:
    """Seconds a slice, then memory of the small SAM over a short and over a long volume."""
    yield against_predictor(settings, settings.organs)
    if not settings.quick:
        yield against_predictor(settings, 1)
    if settings.device == "cpu" and not settings.quick:
        yield long_volume()


def volume_of(side: int, slices: int, organs: int) -> tuple[torch.Tensor, SlicePrompts]:
    """(1, 1, X, Y, Z) uint8 and the organs' tight boxes."""
    truth = labels(side, slices, organs)
    return torch.from_numpy(truth * 5)[None, None], prompts_from_label(
        torch.from_numpy(truth)[None]
    )


def against_predictor(settings: Settings, organs: int) -> Row:
    """A slice with its organs: orchestrated LoRA, folded and merged, against SamPredictor.

    The predictor embeds a slice once and is asked organ by organ, as its users do.
    """
    volume, prompts = volume_of(settings.side, 1, organs)
    volume = volume.to(settings.device)
    model = build_adapted_sam(
        settings.sam, "random", settings.side, "lora", orchestrate=True, attention="auto"
    )
    network = for_inference(model).to(settings.device).eval()
    stock, _ = load_base(settings.sam, "random", settings.side, "stock")
    predictor = SamPredictor(stock.to(settings.device).eval())
    inferer = PromptedVolumeInferer(settings.side)
    row = compare(
        PART, "a slice", f"{organs} organs, {settings.side}, against SamPredictor",
        lambda: slice_by_slice(predictor, volume, prompts),
        lambda: inferer(volume, network, prompts), settings,
    )  # fmt: skip
    return Row(
        **{**vars(row), "note": f"{1 / row.peer:.2f} and {1 / row.ours:.2f} slices a second"}
    )


def slice_by_slice(
    predictor: SamPredictor, volume: torch.Tensor, prompts: SlicePrompts
) -> NDArray[np.uint8]:
    """A label map (Z, H, W), organ over organ."""
    stack = volume[0, 0].permute(2, 1, 0).cpu().numpy()
    found = np.zeros(stack.shape, np.uint8)
    for z, (boxes, organs) in prompts.items():
        predictor.set_image(np.repeat(stack[z][..., None], 3, axis=-1))
        for box, organ in zip(boxes.numpy(), organs.tolist(), strict=True):
            masks, _, _ = predictor.predict(box=box, multimask_output=False)
            found[z][masks[0]] = organ
    return found


def long_volume() -> Row:
    """By how much the peak grows from a short volume to a long one, bytes a voxel.

    Three are known: the volume in the order of slices, and the label map in that order and in the
    volume's. One embedding of the small SAM kept a slice would be another half.
    """
    side, counts = 512, (50, 400)
    peaks = []
    for slices in counts:
        case = json.dumps(["small", 256, side, slices])
        command = [sys.executable, __file__, case]
        ended = subprocess.run(command, env=AT_ONCE, check=True, capture_output=True, text=True)
        peaks.append(int(ended.stdout.split()[-1]))
    growth = (peaks[1] - peaks[0]) / (side**2 * (counts[1] - counts[0]))
    return counted(
        PART, "memory that grows with the volume",
        f"small SAM, {side} x {side} x {counts[1]} against {counts[0]} slices",
        KNOWN, growth, "bytes a voxel", bound=1.05,
        note=f"{peaks[1] / 1e6:.0f} MB at the peak beside model and volume",
    )  # fmt: skip


def peak(sam: str, image_size: int, side: int, slices: int) -> int:
    """Bytes at the peak over what was resident before, model and volume among it."""
    model = build_adapted_sam(sam, "random", image_size, "lora", orchestrate=True)
    network = for_inference(model).eval()
    inferer = PromptedVolumeInferer(image_size)
    inferer(*with_network(volume_of(side, 1, 1), network))  # what the libraries keep
    volume, prompts = volume_of(side, slices, 1)
    peak_anew()
    before = resident("VmRSS")
    inferer(volume, network, prompts)
    return resident("VmHWM") - before


def with_network(
    given: tuple[torch.Tensor, SlicePrompts], network: torch.nn.Module
) -> tuple[torch.Tensor, torch.nn.Module, SlicePrompts]:
    volume, prompts = given
    return volume, network, prompts


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(peak(*json.loads(sys.argv[1])))
