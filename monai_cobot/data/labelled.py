"""The labelled cases of a dataset: a folder in its layout, or a datalist of one's own."""

from __future__ import annotations

from pathlib import Path

from monai_cobot.data.datalist import cases_from_datalist
from monai_cobot.data.picture_list import PictureList
from monai_cobot.data.spec import Case, DatasetSpec


def find_labelled(place: str | Path, spec: DatasetSpec) -> list[Case]:
    """Cases of a folder in one of the dataset's layouts, or of a datalist JSON.

    Args:
        place: the folder, or the JSON file: of volumes
            :func:`~monai_cobot.data.datalist.cases_from_datalist` reads it, of pictures
            :class:`~monai_cobot.data.picture_list.PictureList`.
        spec: the dataset.

    Raises:
        CobotError: it is missing, or holds no case.
    """
    path = Path(place).expanduser()
    if path.suffix != ".json" or path.is_dir():
        return spec.find_cases(path)
    return (
        cases_from_datalist(path)
        if spec.dimensions == 3
        else PictureList(spec.labels).find_cases(path)
    )
