"""From a picture's files to what a slice of a volume is, with a mask a target."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform

from monai_cobot.errors import CobotError
from monai_cobot.transforms.compose import UserCompose
from monai_cobot.transforms.images import read_image
from monai_cobot.transforms.instances import Instance, each_mask, instance_masks, targets
from monai_cobot.transforms.mask_runs import MaskRuns


class LoadInstancesd(Transform):
    """Read a picture and the masks of its targets.

    Args:
        organs: label value of each class by its name.
        runs: keep the masks as :class:`~monai_cobot.transforms.mask_runs.MaskRuns`, for trainings
            on pictures with many targets.
    """

    def __init__(self, organs: Mapping[str, int], runs: bool = False) -> None:
        self.organs, self.runs = dict(organs), runs

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read one item.

        Args:
            data: ``case``, ``image`` (a path), ``patient`` and, where there is a truth,
                ``instances``, as `data/spec.py` has them.

        Returns:
            ``image`` (1 or 3, H, W) uint8, 0..255; ``masks`` (P, H, W) uint8, 0 or 1, ``organs``
            (P,) int64, label values, and ``instances`` (P,) int64, ids, of the targets in the order
            of the file (all three only where there is a truth; P may be 0); ``case``, ``patient``;
            ``source``, the image's path; ``slice``, always 0. Slice frame.

        Raises:
            CobotError: what cannot be read, a class that the dataset does not have; with the case.
        """
        image = read_image(data["image"])
        sample: dict[Hashable, Any] = {
            "image": image,
            "case": str(data["case"]),
            "patient": str(data.get("patient", data["case"])),
            "source": str(data["image"]),
            "slice": 0,
        }
        if "instances" not in data:
            return sample
        found = targets(data["instances"])
        try:
            labels = [self._label(instance) for instance in found]
            size = (int(image.shape[1]), int(image.shape[2]))
            make = instance_masks if not self.runs else _runs
            sample["masks"] = make(found, size)
        except CobotError as error:
            raise CobotError(f"case {sample['case']}: {error}") from None
        sample["organs"] = torch.tensor(labels, dtype=torch.int64)
        ids = [int(instance["instance"]) for instance in found]
        sample["instances"] = torch.tensor(ids, dtype=torch.int64)
        return sample

    def _label(self, instance: Instance) -> int:
        name = instance["organ"]
        if name not in self.organs:
            raise CobotError(
                f"instance {instance['instance']} is of class {name!r}, which is none of "
                f"{', '.join(self.organs)}: mend the annotation"
            )
        return self.organs[name]


def _runs(instances: Sequence[Instance], size: tuple[int, int]) -> MaskRuns:
    return MaskRuns(each_mask(instances, size), size)


def image_transforms(organs: Mapping[str, int], runs: bool = False) -> UserCompose:
    """Read the files of a picture's datalist item, as ``volume_transforms`` does for a volume.

    Args:
        organs: label value of each class by its name.
        runs: keep the masks as run lengths, see :class:`LoadInstancesd`.

    Returns:
        A MONAI Compose on dictionaries; see :class:`LoadInstancesd`.
    """
    return UserCompose([LoadInstancesd(organs, runs)])
