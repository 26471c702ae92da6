"""SEGRAP: SegRap2023, planning CT of nasopharyngeal carcinoma, the primary tumour (GTVnx).

Files: a folder a patient with ``image.nii.gz`` (plain CT), ``image_contrast.nii.gz`` (with
contrast) and the tumour as ``GTVnx.nii.gz`` or, as the challenge calls it, ``GTVp.nii.gz``. Without
them the challenge's label files of both tumours are taken, ``<patient>.nii.gz`` in
``SegRap2023_Training_Set_120cases_OneHot_Labels/Task002`` (or ``Task002``, ``Task002_GTVs``) among
or beside the patients' folders: 1 is the primary tumour there, 2 the lymph nodes. Both CTs of a
patient are cases with one truth, and a split keeps them together. The surface tolerance is the
challenge's.

Source: Luo et al., arXiv 2312.09576; names and values as in https://github.com/HiLab-git/SegRap2023.
"""

from __future__ import annotations

from monai_cobot.data.case_folders import CaseFolders
from monai_cobot.data.spec import DatasetSpec, Organ

TRAINING = "SegRap2023_Training_Set_120cases"
PRIMARY_TUMOUR = 1
"""Its value in the challenge's label files of both tumours."""

SEGRAP = DatasetSpec(
    code="SEGRAP",
    title="SegRap2023, primary nasopharyngeal tumour in plain and contrast CT",
    modality="CT",
    window=(-160.0, 240.0),
    organs=(Organ(1, "GTVnx", 1.0),),
    reader=CaseFolders(
        images={"image.nii.gz": "", "image_contrast.nii.gz": "_contrast"},
        labels=("GTVnx.nii.gz", "GTVp.nii.gz"),
        label_folders=(f"{TRAINING}_OneHot_Labels/Task002", "Task002", "Task002_GTVs"),
        label_values={PRIMARY_TUMOUR: 1},
        inside=(TRAINING,),
    ),
)
