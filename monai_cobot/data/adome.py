"""ADOME: the 50 labelled abdominal CTs of FLARE22 (AbdomenCT-1K), 13 organs.

Files: FLARE22's ``images/*_0000.nii.gz`` and ``labels/*.nii.gz``, or nnU-Net's ``imagesTr`` and
``labelsTr``, with or without ``dataset.json``. Surface tolerances are those of FLARE22's
evaluation. A case is a patient unless ``dataset.json`` says otherwise.
"""

from __future__ import annotations

from monai_cobot.data.nifti_folders import FLARE_LAYOUT, NNUNET_LAYOUT, NiftiFolders
from monai_cobot.data.spec import DatasetSpec, Organ

ORGANS = (
    Organ(1, "liver", 5.0),
    Organ(2, "kidney_right", 3.0),
    Organ(3, "spleen", 3.0),
    Organ(4, "pancreas", 5.0),
    Organ(5, "aorta", 2.0),
    Organ(6, "inferior_vena_cava", 2.0),
    Organ(7, "adrenal_gland_right", 2.0),
    Organ(8, "adrenal_gland_left", 2.0),
    Organ(9, "gallbladder", 2.0),
    Organ(10, "esophagus", 3.0),
    Organ(11, "stomach", 5.0),
    Organ(12, "duodenum", 7.0),
    Organ(13, "kidney_left", 3.0),
)

FLARE_ALIASES = {
    "rk": "kidney_right",
    "ivc": "inferior_vena_cava",
    "postcava": "inferior_vena_cava",
    "rag": "adrenal_gland_right",
    "lag": "adrenal_gland_left",
    "gall_bladder": "gallbladder",
    "oesophagus": "esophagus",
    "lk": "kidney_left",
}

ADOME = DatasetSpec(
    code="ADOME",
    title="AbdomenCT-1K, the 50 labelled CTs of FLARE22",
    modality="CT",
    window=(-160.0, 240.0),
    organs=ORGANS,
    reader=NiftiFolders(
        layouts=(FLARE_LAYOUT, NNUNET_LAYOUT),
        organs={organ.label: organ.name for organ in ORGANS},
        aliases=FLARE_ALIASES,
    ),
)
