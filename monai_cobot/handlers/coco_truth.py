"""The truth of evaluated pictures as a file in COCO's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from monai_cobot.transforms import (
    CocoIds,
    coco_box,
    encode_masks,
    instance_masks,
    mask_area,
    targets,
)

Case = Mapping[str, Any]


class CocoTruth:
    """Collects the truth picture by picture, crowds too.

    Outlines, areas and ids are those of the dataset's own JSON where it has one. Other masks
    become run lengths. Image ids that are no whole numbers, and annotation ids that are not unique
    over the pictures, are numbered anew from 1. An annotation without a usable outline is left
    out.

    Args:
        cases: the pictures, with ``instances``.
        ids: of pictures and classes.
    """

    def __init__(self, cases: Sequence[Case], ids: CocoIds) -> None:
        self.cases = {str(case["case"]): case for case in cases}
        self.categories = ids.categories
        numbered = all(isinstance(id_, int) for id_ in ids.images.values())
        self.image_ids = {
            case: ids.images[case] if numbered else number
            for number, case in enumerate(self.cases, start=1)
        }
        numbers = [instance["instance"] for case in cases for instance in case.get("instances", ())]
        # COCOeval takes an annotation 0 for none.
        self.own_numbers = len(set(numbers)) == len(numbers) and 0 not in numbers
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, case: str, truths: NDArray[Any]) -> None:
        """Adds a picture; ``truths`` (P, H, W) are the masks of its targets, in their order."""
        instances = self.cases[case].get("instances", ())
        height, width = truths.shape[1:]
        image_id, file = self.image_ids[case], str(self.cases[case]["image"]).rpartition("/")[2]
        self.images.append({"id": image_id, "file_name": file, "height": height, "width": width})
        masks = {id(i): mask for i, mask in zip(targets(instances), truths, strict=True)}
        for instance in instances:
            if id(instance) in masks:
                mask = masks[id(instance)]
            elif instance.get("crowd") and targets([{**instance, "crowd": False}]):
                mask = instance_masks([instance], (height, width)).numpy()[0]
            else:
                continue
            self.annotations.append(self._annotation(instance, mask, image_id))

    def document(self) -> dict[str, Any]:
        """What the file holds: ``info``, ``images``, ``annotations`` and ``categories``."""
        return {
            "info": {"description": "truth of the pictures that were evaluated"},
            "images": self.images,
            "annotations": self.annotations,
            "categories": [{"id": id_, "name": name} for name, id_ in self.categories.items()],
        }

    def _annotation(
        self, instance: Mapping[str, Any], mask: NDArray[Any], image_id: int | str
    ) -> dict[str, Any]:
        (runs,) = encode_masks(mask[None])
        return {
            "id": instance["instance"] if self.own_numbers else len(self.annotations) + 1,
            "image_id": image_id,
            "category_id": self.categories[instance["organ"]],
            "segmentation": instance.get("segmentation", runs),
            "area": instance.get("area", mask_area(runs)),
            "bbox": coco_box(runs),
            "iscrowd": int(bool(instance.get("crowd"))),
        }
