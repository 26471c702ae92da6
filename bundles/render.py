"""Renders the bundles from what they share: `python bundles/render.py` (`--check` for drift).

`_source/` holds the files with placeholders, `table.yaml` what differs. A bundle's folder is
complete: it runs when it alone is copied elsewhere, with the package installed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from monai_cobot.data import datasets
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.sam.fetch import BASE_URL, CHECKPOINTS

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "_source"
VERSION = "0.1.0"

TABLE = yaml.safe_load((FOLDER / "table.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Bundle:
    """What one bundle has of its own; the rest is the dataset's table and the shared source."""

    name: str
    code: str
    title: str
    what: str
    layouts: str
    data_source: str
    data_license: str
    protocol: str = "medical"

    @property
    def spec(self) -> DatasetSpec:
        """The dataset's own table in the package."""
        return datasets.get(self.code)

    @property
    def kind(self) -> str:
        """``volumes`` or ``pictures``."""
        return "volumes" if self.spec.dimensions == 3 else "pictures"


BUNDLES = tuple(Bundle(**entry) for entry in TABLE["bundles"])


OBJECT = "the prompted object"
NOT_MEDICAL = {
    "medical": "Research. Not a medical device, not for diagnosis or treatment.",
    "natural": "Research, and outlines for boxes that people or detectors give.",
}


def channels(bundle: Bundle) -> list[str]:
    """What the network's channels are, for an image alone: an organ each, or the one object."""
    return list(bundle.spec.names) if bundle.protocol == "medical" else [OBJECT]


def metadata(bundle: Bundle) -> dict[str, Any]:
    """`metadata.json` by MONAI's schema of 2024-07-25."""
    organs = bundle.spec.labels
    volumes = bundle.kind == "volumes"
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
        "task": f"Segmentation of {bundle.what}"
        + (", slice by slice" if volumes else "")
        + (", from boxes or without" if bundle.protocol == "medical" else ", from boxes"),
        "description": "The Segment Anything Model, fine-tuned with parameter-efficient adapters "
        f"that communicate across blocks (SAM-COBOT), for {bundle.what}.",
        "authors": "monai_cobot contributors",
        "copyright": "Copyright (c) monai_cobot contributors",
        "data_source": bundle.data_source,
        "data_type": "nibabel" if volumes else "PNG",
        "image_classes": ("one axial slice" if volumes else "one picture")
        + ", scaled to 0..255, normalised and padded for SAM",
        "label_classes": ", ".join(f"{label} {name}" for name, label in organs.items()),
        "pred_classes": ", ".join(channels(bundle)) + ": a channel each, logits",
        "intended_use": NOT_MEDICAL[bundle.protocol],
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
                    "modality": bundle.spec.modality,
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
                    "num_channels": len(channels(bundle)),
                    "spatial_shape": [1024, 1024],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {str(n): name for n, name in enumerate(channels(bundle))},
                }
            },
        },
    }


def large_files() -> str:
    """SAM's weights for `large_files.yml`: that of the bundle's default, the others commented."""
    lines = []
    for name, checkpoint in CHECKPOINTS.items():
        mark = "" if name == "vit_b" else "# "
        lines += [
            f'{mark}- path: "models/{checkpoint.file}"',
            f'{mark}  url: "{BASE_URL}{checkpoint.file}"',
            f'{mark}  hash_val: "{checkpoint.sha256}"',
            f'{mark}  hash_type: "sha256"',
        ]
    return "\n".join(lines)


def intensities(spec: DatasetSpec) -> str:
    """What becomes of the intensities, in words."""
    low, high = spec.window
    if spec.modality == "CT":
        return f"Intensities from {low:g} to {high:g} HU become 0 to 255, clipped and rounded."
    if spec.modality == "MR":
        return (
            f"Intensities from the {low:g}th to the {high:g}th percentile of each volume become 0 "
            "to 255, clipped and rounded."
        )
    return "The bytes of a picture are taken as they are; grey is repeated to three channels."


def test_part(spec: DatasetSpec) -> str:
    """What is tested on, in words."""
    if spec.test_share is None:
        return "The published lists are followed."
    return f"{spec.test_share:.0%} of the images are drawn for the test, as in the paper."


def files(bundle: Bundle) -> dict[str, str]:
    """Relative path -> text of every file of the bundle."""
    tokens = {
        "__NAME__": bundle.name,
        "__CODE__": bundle.code,
        "__TITLE__": bundle.title,
        "__WHAT__": bundle.what,
        "__LAYOUTS__": bundle.layouts,
        "__DATA_LICENSE__": bundle.data_license,
        "__ORGANS__": "\n".join(f"| {n} | {name} |" for name, n in bundle.spec.labels.items()),
        "__FIRST_ORGAN__": bundle.spec.names[0],
        "__LARGE_FILES__": large_files(),
    }
    words = {"{intensities}": intensities(bundle.spec), "{split}": test_part(bundle.spec)}
    for token, text in {**TABLE[bundle.protocol], **TABLE[bundle.kind]}.items():
        for word, value in words.items():
            text = text.replace(word, value)
        tokens[f"__{token}__"] = text
    rendered = {"configs/metadata.json": json.dumps(metadata(bundle), indent=2) + "\n"}
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file():
            text = path.read_text()
            for token, value in tokens.items():  # those of the kind stand in those of the protocol
                text = text.replace(token, value)
            rendered[path.relative_to(SOURCE).as_posix()] = text
    return rendered


# What a user or a training puts there, and is nobody's drift.
OWN = ("models", "configs/splits.json")


def drift(folder: Path) -> list[str]:
    """Files below ``folder`` that are not what their source renders to, bundle by bundle."""
    differing = []
    for bundle in BUNDLES:
        wanted, root = files(bundle), folder / bundle.name
        there = {
            path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()
        }
        for name in sorted({*wanted, *there}):
            if name not in wanted and name.startswith(OWN):
                continue
            same = name in there and there[name].read_text() == wanted.get(name)
            differing += [] if same else [f"{bundle.name}/{name}"]
    return differing


def main() -> int:
    """Writes the bundles, or with `--check` says which files differ."""
    if "--check" in sys.argv[1:]:
        differing = drift(FOLDER)
        for name in differing:
            print(f"differs: {name}")
        return int(bool(differing))
    for bundle in BUNDLES:
        for name, text in files(bundle).items():
            path = FOLDER / bundle.name / name
            if not path.is_file() or path.read_text() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                print(f"wrote {path.relative_to(FOLDER)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
