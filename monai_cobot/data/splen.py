"""SPLEN: Medical Segmentation Decathlon, Task09_Spleen, portal-venous CT.

Files: ``imagesTr``, ``labelsTr`` and ``dataset.json`` as the decathlon distributes them. A case is
a patient unless ``dataset.json`` says otherwise.
"""

from __future__ import annotations

from monai_cobot.data.nifti_folders import NNUNET_LAYOUT, NiftiFolders
from monai_cobot.data.spec import DatasetSpec, Organ

ORGANS = (Organ(1, "spleen", 3.0),)

SPLEN = DatasetSpec(
    code="SPLEN",
    title="Medical Segmentation Decathlon Task09_Spleen",
    modality="CT",
    window=(-160.0, 240.0),
    organs=ORGANS,
    reader=NiftiFolders(
        layouts=(NNUNET_LAYOUT,),
        organs={organ.label: organ.name for organ in ORGANS},
    ),
)
