"""A prompt on one slice, carried up and down through the volume until its organ ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from monai_cobot.errors import CobotError
from monai_cobot.inferers.painting import Painting, paint
from monai_cobot.transforms import Start, tight_box

Segment = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]
"""Slice z, boxes (P, 4) and organs (P,) to logits (P, H, W); all in the slice frame."""

Mask = NDArray[np.bool_]

SPREADS = (3.0, 20.0)
"""Least and greatest spread that is believed, of 255. An organ of one single intensity may still
vary by a little; and an answer of several tissues, as of an organ smaller than the network sees,
would let everything pass. In a CT window of 400 HU the greatest is 31 HU."""

NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

DRAWN = 1e4
"""Logit of a mask that a person has drawn: above all that a network says."""


@dataclass(frozen=True)
class Propagation:
    """How an organ is followed, and where it ends.

    On the start's slice the organ is what the network answers to the box, or the mask itself. Its
    median intensity and their spread (1.4826 times the median absolute deviation, the standard
    deviation of a normal distribution) are its tissue. From slice to slice:

    1. The prompt is the box around the organ's region on the slice before, ``margin`` wider on
       each side: a contour moves a little from slice to slice.
    2. Of the network's mask that counts which lies at most ``margin`` from this region and is
       connected with it.
    3. Of this, the voxels whose intensity is within ``spreads`` spreads of the median are the
       region for the next slice. So the box does not grow into another tissue.
    4. The organ has ended, and the slice stays empty, where no voxel is left; where the region is
       less than ``tissue`` of the mask, which shows another tissue then; or where mask and the mask
       before have less than ``overlap`` in common (Jaccard's index): what follows is another thing.

    SAM's predicted quality is no criterion: on phantoms it is as high on what comes after an organ
    as on the organ. The values were chosen on phantoms, see docs/propagation.md.

    Args:
        margin: share of the distance of two slices; at least one pixel is taken. A half: a contour
            moves sideways by at most half of what the slice moves along.
        spreads: half width of the tissue's band of intensities.
        tissue: share from 0 to 1.
        overlap: share from 0 to 1.

    Raises:
        CobotError: no number, a negative one, a share above 1, or anything above 1000.
    """

    margin: float = 0.5
    spreads: float = 1.5
    tissue: float = 0.4
    overlap: float = 0.5

    def __post_init__(self) -> None:
        for name in ("margin", "spreads", "tissue", "overlap"):
            value, most = getattr(self, name), 1 if name in ("tissue", "overlap") else 1000
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value <= most:
                raise CobotError(f"propagation {name}={value!r}: give a number from 0 to {most:g}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Propagation:
        """Read a configuration's ``{spreads: 2.0}``; what it does not name keeps its value.

        Raises:
            CobotError: no mapping, an unknown key, or what the class itself refuses.
        """
        known = list(cls.__dataclass_fields__)
        if not isinstance(mapping, Mapping) or not set(mapping) <= set(known):
            raise CobotError(
                f"propagation {mapping!r} is not understood: give {{spreads: 2.0}}, of "
                f"{', '.join(known)}"
            )
        return cls(**mapping)

    def __call__(
        self,
        slices: torch.Tensor,
        starts: Sequence[Start],
        segment: Segment,
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        progress: bool = False,
    ) -> dict[int, Painting]:
        """Follow all starts of one volume, those of a slice in one batch.

        Args:
            slices: (Z, 1, H, W), 0..255, slice frame.
            starts: where the organs are known.
            segment: the network on one slice; it is called at most twice a slice, once on the way
                up and once on the way down.
            spacing: millimetres between voxels along X, Y and Z.
            progress: show a bar over the slices.

        Returns:
            What was painted on each slice that an organ was found on.
        """
        paintings: dict[int, Painting] = {}
        if not starts:
            return paintings
        images = slices[:, 0].cpu().numpy()
        width, height, distance = spacing
        margin = max(1.0, self.margin * distance / math.sqrt(width * height))
        tracks = [_Track(start, self, margin) for start in starts]
        for track in tracks:
            if track.start.mask is not None:
                drawn = torch.where(track.start.mask, DRAWN, -DRAWN).to(slices.device)
                _take(track, drawn, images, paintings)
        for step in (1, -1):
            for track in tracks:
                track.turn(step)
            way = range(len(images))[::step]
            for z in tqdm(way, "propagation", unit="slice", leave=False, disable=not progress):
                asked = [track for track in tracks if track.z == z and not track.ended]
                if asked:
                    boxes = torch.stack([track.box for track in asked])
                    organs = torch.tensor([track.start.organ for track in asked])
                    for track, logits in zip(asked, segment(z, boxes, organs), strict=True):
                        _take(track, logits, images, paintings)
        return paintings


class _Track:
    """One start on its way: where it is, and what the organ looked like last.

    Args:
        start: where the organ is known.
        settings: how it is followed.
        margin: of the box, in pixels.
    """

    def __init__(self, start: Start, settings: Propagation, margin: float) -> None:
        self.start, self.settings, self.margin = start, settings, margin
        self.z, self.step, self.ended = start.z, 0, False
        self.box = start.box
        self.at_start: tuple[Mask, Mask] | None = None
        self.mask = self.region = np.zeros((0, 0), bool)
        self.median = self.spread = 0.0

    def turn(self, step: int) -> None:
        """Go upwards (1) or downwards (-1) from the start."""
        self.step = step
        if self.at_start is not None:
            self.z = self.start.z
            self._go_on(*self.at_start)

    def take(self, found: Mask, image: NDArray[np.generic]) -> Mask | None:
        """Take the network's mask (H, W) on slice ``z``: what of it is the organ, None at its end.

        After that ``z`` is the next slice and ``box`` its prompt, or the track has ``ended``.
        """
        if self.at_start is None:
            return self._begin(found, image)
        mask = _touching(found & _grown(self.region, self.margin), self.region)
        region = mask & self._has_tissue(image)
        if (
            not region.any()
            or region.sum() < self.settings.tissue * mask.sum()
            or (mask & self.mask).sum() < self.settings.overlap * (mask | self.mask).sum()
        ):
            self.ended = True
            return None
        self._go_on(mask, _touching(region, self.region))
        return mask

    def _begin(self, mask: Mask, image: NDArray[np.generic]) -> Mask | None:
        """What the organ is on the slice of its start."""
        if not mask.any():
            self.ended, self.at_start = True, (mask, mask)
            return None
        values = image[mask].astype(np.float64)
        self.median = float(np.median(values))
        deviation = float(np.median(np.abs(values - self.median)))
        self.spread = float(np.clip(NORMAL * deviation, *SPREADS))
        self.at_start = (mask, mask & self._has_tissue(image))
        self._go_on(*self.at_start)
        return mask

    def _has_tissue(self, image: NDArray[np.generic]) -> Mask:
        reach = self.settings.spreads * self.spread
        found: Mask = np.abs(image.astype(np.float64) - self.median) <= reach
        return found

    def _go_on(self, mask: Mask, region: Mask) -> None:
        """Remember the organ on slice ``z`` and make the prompt of the next one."""
        self.mask, self.region = mask, region
        self.z += self.step
        inside = self.start.first <= self.z <= self.start.last
        self.ended = not (inside and region.any())
        if not self.ended:
            outwards = torch.tensor([-1.0, -1, 1, 1])
            height, width = region.shape
            box = tight_box(torch.from_numpy(region)) + self.margin * outwards
            self.box = box.clamp(min=0).minimum(torch.tensor([width, height] * 2).float())


def _take(
    track: _Track, logits: torch.Tensor, images: NDArray[np.generic], paintings: dict[int, Painting]
) -> None:
    """Carry a track on by its logits (H, W) on its slice, and paint what is the organ."""
    z = track.z
    mask = track.take(logits.cpu().numpy() > 0, images[z])
    if mask is not None:
        kept = torch.from_numpy(mask).to(logits.device)
        logits = torch.where(kept, logits, logits.clamp(max=0))
        organ = torch.tensor([track.start.organ])
        paintings[z] = paint(logits[None], organ, paintings.get(z))


def _grown(region: Mask, margin: float) -> Mask:
    """The pixels whose middle is at most ``margin`` pixels from that of one of the region."""
    reach = int(np.ceil(margin))
    window = tuple(
        slice(max(side.start - reach, 0), side.stop + reach)
        for side in ndimage.find_objects(region.astype(np.uint8))[0]
    )
    grown = np.zeros_like(region)
    grown[window] = ndimage.distance_transform_edt(~region[window]) <= margin
    return grown


def _touching(mask: Mask, region: Mask) -> Mask:
    """The connected parts (4 neighbours) of a mask that share a pixel with the region."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask
    kept = np.unique(parts[region & mask])
    found: Mask = np.isin(parts, kept[kept > 0])
    return found
