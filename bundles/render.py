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

from monai_cobot.data import datasets
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.sam.fetch import BASE_URL, CHECKPOINTS

FOLDER = Path(__file__).resolve().parent
SOURCE = FOLDER / "_source"
VERSION = "0.1.0"

# What volumes and pictures have of their own: classes with the same arguments.
VOLUMES = {
    "__DATASET__": "SliceDataset",
    "__COLLATE__": "VolumeCollate",
    "__INFERER__": "PromptedVolumeInferer",
    "__PREPARE__": "prepare_volume",
    "__REPORT__": "VolumeReport",
    "__SAVE__": "SavePredictions",
    "__PROPAGATION_ID__": "propagation: {}        # how they do, as {spreads: 2.0}\n",
    "__PROPAGATION__": "  propagation: $inferers.Propagation.from_mapping(@propagation)\n",
    "__COLLATE_OPTIONS__": "",
    "__MEAN_DICE__": "      include_background: false\n"
    "      num_classes: $@spec.organs[-1].label + 1\n"
    "      output_transform: $inferers.label_maps",
}
PICTURES = {
    "__DATASET__": "ImageDataset",
    "__COLLATE__": "PictureCollate",
    "__INFERER__": "PromptedImageInferer",
    "__PREPARE__": "prepare_picture",
    "__REPORT__": "PictureReport",
    "__SAVE__": "SavePictures",
    "__PROPAGATION_ID__": "",
    "__PROPAGATION__": "",
    "__COLLATE_OPTIONS__": "\n      prompts: '@validate#inferer#prompts'"
    "\n      organ_labels: '@validate#inferer#organ_labels'",
    "__MEAN_DICE__": "      output_transform: $inferers.masks_as_items",
}

VOLUME_TEXTS = {
    "__UNIT__": "slice",
    "__TRUTH__": "label",
    "__BY_SLICE__": ", slice by slice",
    "__FILES__": "Volumes are NIfTI, one channel, with labels on the same grid:",
    "__SAMPLES__": "Orientation to RAS; no resampling. {intensities} Every axial slice that holds "
    "an organ is a sample,\nwith all its organs and one box each; for the organ prompts as many "
    "slices without an organ.",
    "__ENDING__": "nii.gz",
    "__GEOMETRY__": "Label maps have shape, affine and units of the source image.",
    "__BOX_TEXT__": "`boxes.json` names case (the image's file name without `_0000` and ending), "
    "organ, slice and box, in voxels of the\nimage as it is stored. `slice` runs along the "
    "head-feet axis from 0; `box` is x0, y0, x1, y1 in voxel edges, half\nopen, x along the first "
    "of the two other axes:",
    "__SLICE__": "31",
    "__METRICS__": "Metrics per organ and volume, in the geometry of the source: Dice, surface "
    "Dice, HD95 in mm, voxel counts; with organ\nprompts also the Dice on slices that have the "
    "organ, and the volume in ml predicted on those that do not.",
    "__SLICE_LIMITS__": "- Slices are segmented one by one; only a prompt that propagates links "
    "neighbouring slices.\n- With boxes, slices without a box stay background, but for what a "
    "prompt is carried to.\n",
    "__PROPAGATION_TEXT__": "A box on one slice is carried up and down through the volume with "
    '`"propagate": true` in its entry and\n`monai_cobot/prompts/2` as the schema; a 3D box '
    "(`box3d`) and a mask drawn on a slice (`masks`) are accepted too. The\npackage's "
    "`docs/prompts.md` has all of it.\n\n",
}
PICTURE_TEXTS = {
    "__UNIT__": "picture",
    "__TRUTH__": "mask",
    "__BY_SLICE__": "",
    "__FILES__": "Pictures have 8 bits a channel, grey or colour, with masks of the same size:",
    "__SAMPLES__": "{intensities} Every picture with a\ntarget is a sample, with all its targets "
    "and one box each.",
    "__ENDING__": "png",
    "__GEOMETRY__": "Label maps are PNG files of the picture's size whose pixels are the labels.",
    "__BOX_TEXT__": "`boxes.json` names case (the picture's file name without ending), class and "
    "box. `slice` is 0; `box` is x0, y0, x1, y1\nin pixel edges, half open, x along the columns "
    "and y along the rows of the picture as it is stored:",
    "__SLICE__": "0",
    "__METRICS__": "Metrics per instance (with organ prompts per class): Dice, IoU, HD95 in "
    "pixels, pixel counts.",
    "__SLICE_LIMITS__": "",
    "__PROPAGATION_TEXT__": "",
}


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

    @property
    def spec(self) -> DatasetSpec:
        """The dataset's own table in the package."""
        return datasets.get(self.code)

    @property
    def classes(self) -> dict[str, str]:
        """Tokens of the classes for volumes or pictures."""
        return VOLUMES if self.spec.dimensions == 3 else PICTURES


DECATHLON = "`imagesTr`, `labelsTr` and `dataset.json` (Medical Segmentation Decathlon)"
DECATHLON_LICENSE = "CC-BY-SA 4.0, http://medicaldecathlon.com. No data is part of this bundle."

BUNDLES = (
    Bundle(
        name="adome_abdomen_ct_segmentation",
        code="ADOME",
        title="Abdominal organs in CT (SAM-COBOT)",
        what="13 abdominal organs in CT, the labelled part of FLARE22",
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
        layouts=DECATHLON,
        data_source="http://medicaldecathlon.com",
        data_license=f"Medical Segmentation Decathlon, Task09_Spleen: {DECATHLON_LICENSE}",
    ),
    Bundle(
        name="momo_left_atrium_mr_segmentation",
        code="MOMO",
        title="Left atrium in MRI (SAM-COBOT)",
        what="the left atrium in MRI, Medical Segmentation Decathlon Task02",
        layouts=DECATHLON,
        data_source="http://medicaldecathlon.com",
        data_license=f"Medical Segmentation Decathlon, Task02_Heart: {DECATHLON_LICENSE}",
    ),
    Bundle(
        name="brast_breast_us_segmentation",
        code="BRAST",
        title="Lesions in breast ultrasound (SAM-COBOT)",
        what="lesions in breast ultrasound, the malignant pictures of BUSI",
        layouts="`malignant (n).png` with `malignant (n)_mask.png`, `_mask_1.png` and so on, in "
        "`Dataset_BUSI_with_GT/malignant` or in the folder itself",
        data_source="https://doi.org/10.1016/j.dib.2019.104863",
        data_license="BUSI, Al-Dhabyani et al., Data in Brief 28 (2020) 104863: see the terms "
        "where you download it. No data is part of this bundle.",
    ),
    Bundle(
        name="segrap_gtvnx_ct_segmentation",
        code="SEGRAP",
        title="Primary nasopharyngeal tumour in CT (SAM-COBOT)",
        what="the primary tumour (GTVnx) of nasopharyngeal carcinoma in plain and contrast CT, "
        "SegRap2023",
        layouts="`<patient>/image.nii.gz`, `image_contrast.nii.gz` and `GTVnx.nii.gz` or "
        "`GTVp.nii.gz`, or the challenge's label files in `Task002`",
        data_source="https://segrap2023.grand-challenge.org",
        data_license="SegRap2023: see the data agreement of the challenge at "
        "https://segrap2023.grand-challenge.org. No data is part of this bundle.",
    ),
)


def metadata(bundle: Bundle) -> dict[str, Any]:
    """`metadata.json` by MONAI's schema of 2024-07-25."""
    organs = bundle.spec.labels
    volumes = bundle.spec.dimensions == 3
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
        + ", from boxes or without",
        "description": "The Segment Anything Model, fine-tuned with parameter-efficient adapters "
        f"that communicate across blocks (SAM-COBOT), for {bundle.what}.",
        "authors": "monai_cobot contributors",
        "copyright": "Copyright (c) monai_cobot contributors",
        "data_source": bundle.data_source,
        "data_type": "nibabel" if volumes else "PNG",
        "image_classes": ("one axial slice" if volumes else "one picture")
        + ", scaled to 0..255, normalised and padded for SAM",
        "label_classes": ", ".join(f"{label} {name}" for name, label in organs.items()),
        "pred_classes": ", ".join(organs) + ": a channel each, logits",
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
                    "num_channels": len(organs),
                    "spatial_shape": [1024, 1024],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": {str(place): name for place, name in enumerate(organs)},
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
        **bundle.classes,
    }
    texts = VOLUME_TEXTS if bundle.spec.dimensions == 3 else PICTURE_TEXTS
    tokens |= {
        token: text.format(intensities=intensities(bundle.spec)) for token, text in texts.items()
    }
    rendered = {"configs/metadata.json": json.dumps(metadata(bundle), indent=2) + "\n"}
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file():
            text = path.read_text()
            for token, value in tokens.items():
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
