"""The ids that pictures and classes have in files of COCO's formats."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from monai_cobot.data.coco_json import read_image_list
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.errors import CobotError
from monai_cobot.transforms import CocoIds, image_key

LOGGER = logging.getLogger(__name__)


def coco_ids(
    cases: Sequence[Case], spec: DatasetSpec, image_list: str | Path | None = None
) -> CocoIds:
    """Ids of pictures and classes: of ``image_list``, else of the dataset's own JSON, else made.

    Made are the category ids from the spec's labels, and the image ids from the names of the files
    without ending: whole numbers if all names are (COCO's are, with zeros in front), else the
    names.

    Args:
        cases: the pictures.
        spec: their dataset.
        image_list: an instances or image-info JSON with ``images`` and ``categories``.

    Raises:
        CobotError: the list cannot be read, or does not name a picture.
    """
    if image_list:
        return _of_list(cases, spec, Path(image_list).expanduser())
    images = {str(case["case"]): case["image_id"] for case in cases if "image_id" in case}
    files = {case.get("annotations") for case in cases}
    named = ", ".join(str(file) for file in sorted(map(str, files)))
    if not cases or len(images) < len(cases):
        return CocoIds(_of_names(cases), spec.labels, "by file name and label")
    categories = {name: id_ for case in cases for name, id_ in case["categories"].items()}
    if not all(case["categories"].items() <= categories.items() for case in cases):
        LOGGER.warning("%s number the categories differently: labels stand for them", named)
        categories = spec.labels
    if len(set(images.values())) < len(images):
        LOGGER.warning("%s give an image id twice: the pictures go by file name", named)
        return CocoIds(_of_names(cases), categories, f"by file name, categories by {named}")
    return CocoIds(images, categories, f"by {named}")


def _of_list(cases: Sequence[Case], spec: DatasetSpec, path: Path) -> CocoIds:
    listed, categories = read_image_list(path, spec.names)
    lacking = [case["image"] for case in cases if Path(case["image"]).name not in listed]
    if lacking:
        raise CobotError(
            f"image_list {path} does not name {lacking[0]} ({len(lacking)} of {len(cases)} "
            "pictures): give the list of these pictures, or take them out of the folder"
        )
    images = {str(case["case"]): listed[Path(case["image"]).name] for case in cases}
    return CocoIds(images, categories, f"by {path}")


def _of_names(cases: Sequence[Case]) -> dict[str, int | str]:
    """Case -> the name of its file: as a number if all are, and differ as such."""
    stems = {str(case["case"]): Path(case["image"]).stem for case in cases}
    keys = [image_key(stem) for stem in stems.values()]
    if all(key.isascii() and key.isdigit() for key in keys) and len(set(keys)) == len(keys):
        return {case: int(stem) for case, stem in stems.items()}
    if len(set(stems.values())) < len(stems):
        return {case: case for case in stems}
    return dict(stems)
