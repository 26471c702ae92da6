"""Renders the bundles from what they share: `python bundles/render.py` (`--check` for drift).

`_source/` holds the files with placeholders, the table below what differs. A bundle's folder is
complete: it runs when it alone is copied elsewhere, with the package installed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "_source"
VERSION = "0.1.0"


@dataclass(frozen=True)
class Bundle:
    """What one bundle has of its own."""

    name: str
    code: str
    title: str
    what: str
    modality: str
    layouts: str
    data_source: str
    data_license: str

    def organs(self) -> dict[str, int]:
        """Organ names and labels from the package's own table."""
        from monai_cobot.data import datasets

        return datasets.get(self.code).labels


BUNDLES = (
    Bundle(
        name="adome_abdomen_ct_segmentation",
        code="ADOME",
        title="Abdominal organs in CT (SAM-COBOT)",
        what="13 abdominal organs in CT, the labelled part of FLARE22",
        modality="CT",
        layouts="`images/<case>_0000.nii.gz` and `labels/<case>.nii.gz` (FLARE22), or `imagesTr` "
        "and `labelsTr` with or without `dataset.json` (nnU-Net)",
        data_source="https://flare22.grand-challenge.org",
        data_license="FLARE22 and AbdomenCT-1K: see the terms of the challenge at "
        "https://flare22.grand-challenge.org and of its data sources. No data is part of this "
        "bundle.",
    ),
    Bundle(
        name="splen_spleen_ct_segmentation",
        code="SPLEN",
        title="Spleen in CT (SAM-COBOT)",
        what="the spleen in CT, Medical Segmentation Decathlon Task09",
        modality="CT",
        layouts="`imagesTr`, `labelsTr` and `dataset.json` (Medical Segmentation Decathlon)",
        data_source="http://medicaldecathlon.com",
        data_license="Medical Segmentation Decathlon, Task09_Spleen: CC-BY-SA 4.0, "
        "http://medicaldecathlon.com. No data is part of this bundle.",
    ),
)


def metadata(bundle: Bundle) -> dict[str, Any]:
    """`metadata.json` by MONAI's schema of 2024-07-25."""
    organs = bundle.organs()
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "version": VERSION,
        "changelog": {VERSION: "first version"},
        "monai_version": "1.6.1",
        "pytorch_version": "2.15.0",
        "numpy_version": "2.4.6",
        "required_packages_version": {
            "nibabel": "5.4.2",
            "pytorch-ignite": "0.5.5",
            "segment-anything": "1.0",
            "safetensors": "0.8.0",
            "scipy": "1.17.1",
            "torchvision": "0.29.2",
            "jsonschema": "4.26.0",
            "matplotlib": "3.11.2",
            "monai-cobot": VERSION,
        },
        "name": bundle.title,
        "task": f"Segmentation of {bundle.what}, slice by slice from box prompts",
        "description": "The Segment Anything Model, fine-tuned with parameter-efficient adapters "
        f"that communicate across blocks (SAM-COBOT), for {bundle.what}.",
        "authors": "monai_cobot contributors",
        "copyright": "Copyright (c) monai_cobot contributors",
        "data_source": bundle.data_source,
        "data_type": "nibabel",
        "image_classes": "one axial slice, windowed to 0..255, normalised and padded for SAM",
        "label_classes": ", ".join(f"{label} {name}" for name, label in organs.items()),
        "pred_classes": "foreground of the prompted object",
        "intended_use": "Research. Not a medical device, not for diagnosis or treatment.",
        "references": [
            "Parameter Efficient Fine-tuning via Cross Block Orchestration for Segment Anything "
            "Model, CVPR 2024, arXiv:2311.17112",
            "Segment Anything, ICCV 2023, arXiv:2304.02643",
        ],
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": bundle.modality,
                    "num_channels": 3,
                    "spatial_shape": [1024, 1024],
                    "dtype": "float32",
                    "value_range": [-3, 3],
                    "is_patch_data": False,
                    "channel_def": {"0": "image", "1": "image", "2": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": 1,
                    "spatial_shape": [1024, 1024],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {"0": "prompted object"},
                }
            },
        },
    }


def files(bundle: Bundle) -> dict[str, str]:
    """Relative path -> text of every file of the bundle."""
    tokens = {
        "__NAME__": bundle.name,
        "__CODE__": bundle.code,
        "__TITLE__": bundle.title,
        "__WHAT__": bundle.what,
        "__LAYOUTS__": bundle.layouts,
        "__DATA_LICENSE__": bundle.data_license,
        "__ORGANS__": "\n".join(f"| {n} | {name} |" for name, n in bundle.organs().items()),
        "__FIRST_ORGAN__": next(iter(bundle.organs())),
    }
    rendered = {"configs/metadata.json": json.dumps(metadata(bundle), indent=2) + "\n"}
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file():
            text = path.read_text()
            for token, value in tokens.items():
                text = text.replace(token, value)
            rendered[path.relative_to(SOURCE).as_posix()] = text
    return rendered


def main() -> int:
    """Writes the bundles, or with `--check` says which files differ."""
    check = "--check" in sys.argv[1:]
    differing = []
    for bundle in BUNDLES:
        for name, text in files(bundle).items():
            path = FOLDER / bundle.name / name
            if path.is_file() and path.read_text() == text:
                continue
            differing.append(str(path.relative_to(FOLDER)))
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    for name in differing:
        print(("differs: " if check else "wrote ") + name)
    return int(check and bool(differing))


if __name__ == "__main__":
    raise SystemExit(main())
