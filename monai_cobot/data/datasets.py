"""The table of datasets: a row each."""

from __future__ import annotations

from monai_cobot.data.adome import ADOME
from monai_cobot.data.brast import BRAST
from monai_cobot.data.coco import COCO
from monai_cobot.data.momo import MOMO
from monai_cobot.data.nwpu import NWPU
from monai_cobot.data.segrap import SEGRAP
from monai_cobot.data.sonar import SONAR
from monai_cobot.data.spec import Case, DatasetSpec, Organ, Reader
from monai_cobot.data.splen import SPLEN
from monai_cobot.data.ssdd import SSDD
from monai_cobot.data.trcan import TRCAN, TRCAN_MATERIAL
from monai_cobot.registry import Registry

__all__ = ["Case", "DatasetSpec", "Organ", "Reader", "get", "names", "register"]

_DATASETS = Registry[DatasetSpec]("dataset")
get, names = _DATASETS.get, _DATASETS.names


def register(spec: DatasetSpec) -> DatasetSpec:
    """Add a dataset to the table; CobotError where its code is taken."""
    return _DATASETS.register(spec.code, spec)


for _spec in (ADOME, SPLEN, MOMO, SEGRAP, BRAST, COCO, TRCAN, TRCAN_MATERIAL, NWPU, SSDD, SONAR):
    register(_spec)
