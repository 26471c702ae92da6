"""MOMO: Medical Segmentation Decathlon, Task02_Heart, the left atrium in mono-modal MRI.

Files: ``imagesTr``, ``labelsTr`` and ``dataset.json`` as the decathlon distributes them (30
volumes, 20 of them labelled). Intensities of MRI have no unit: the window is in percentiles of each
volume. A case is a patient unless ``dataset.json`` says otherwise. The surface tolerance is that of
the decathlon's evaluation (Antonelli et al., Nature Communications 13 (2022) 4128).
"""

from __future__ import annotations

from monai_cobot.data.nifti_folders import NNUNET_LAYOUT, NiftiFolders
from monai_cobot.data.spec import DatasetSpec, Organ

ORGANS = (Organ(1, "left atrium", 4.0),)

MOMO = DatasetSpec(
    code="MOMO",
    title="Medical Segmentation Decathlon Task02_Heart",
    modality="MR",
    window=(0.5, 99.5),
    organs=ORGANS,
    reader=NiftiFolders(
        layouts=(NNUNET_LAYOUT,),
        organs={organ.label: organ.name for organ in ORGANS},
    ),
)
