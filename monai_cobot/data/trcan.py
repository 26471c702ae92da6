"""TRCAN: TrashCan 1.0, frames of underwater videos; instance version (22 classes), material (16).

Files: ``instances_train_trashcan.json``, ``instances_val_trashcan.json``, ``train`` and ``val``;
the archive has them in ``dataset/instance_version`` and ``dataset/material_version``. The published
validation list is the test here. A video is a group (``vid_000123``); the published lists put
frames of one video on both sides, which a split tells.

Source: https://arxiv.org/abs/2007.08097 and the README of the archive. Labels follow the category
ids of the JSON files.
"""

from __future__ import annotations

import re

from monai_cobot.data.coco_folders import CocoFolders, CocoList
from monai_cobot.data.spec import DatasetSpec, Organ

_BOTH = (
    *("rov", "plant", "animal_fish", "animal_starfish", "animal_shells", "animal_crab"),
    *("animal_eel", "animal_etc"),
)
INSTANCE_CLASSES = (
    *_BOTH,
    *("trash_clothing", "trash_pipe", "trash_bottle", "trash_bag", "trash_snack_wrapper"),
    *("trash_can", "trash_cup", "trash_container", "trash_unknown_instance", "trash_branch"),
    *("trash_wreckage", "trash_tarp", "trash_rope", "trash_net"),
)
MATERIAL_CLASSES = (
    *_BOTH,
    *("trash_etc", "trash_fabric", "trash_fishing_gear", "trash_metal", "trash_paper"),
    *("trash_plastic", "trash_rubber", "trash_wood"),
)


def video_of(case: str) -> str:
    """The video of a frame: ``vid_000123`` of ``vid_000123_frame0000004``; else the name itself."""
    found = re.search(r"vid_\d+(?=_frame)", case)
    return found[0] if found else case


def _spec(code: str, version: str, classes: tuple[str, ...]) -> DatasetSpec:
    others = {"TRCAN": INSTANCE_CLASSES, "TRCAN-MATERIAL": MATERIAL_CLASSES}
    return DatasetSpec(
        code=code,
        title=f"TrashCan 1.0, {version} version",
        modality="RGB",
        window=(0.0, 255.0),
        organs=tuple(Organ(label, name) for label, name in enumerate(classes, start=1)),
        reader=CocoFolders(
            lists=(
                CocoList("instances_train_trashcan.json", ("train",), "training"),
                CocoList("instances_val_trashcan.json", ("val",), "test"),
            ),
            classes=classes,
            inside=(f"{version}_version", f"dataset/{version}_version"),
            patient_of=video_of,
            complete=True,
            other_versions={name: table for name, table in others.items() if name != code},
        ),
    )


TRCAN = _spec("TRCAN", "instance", INSTANCE_CLASSES)
TRCAN_MATERIAL = _spec("TRCAN-MATERIAL", "material", MATERIAL_CLASSES)
