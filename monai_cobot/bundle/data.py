"""Cases, split and preprocessing of a bundle, with errors that name the remedy."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist

from monai_cobot.bundle.run_folder import SPLIT
from monai_cobot.bundle.settings import optional_folder
from monai_cobot.data import datasets
from monai_cobot.data.checks import check_cases
from monai_cobot.data.fingerprint import hash_cases
from monai_cobot.data.labelled import find_labelled
from monai_cobot.data.organ_table import read_organ_table
from monai_cobot.data.slice_cache import CachedVolumes, SliceCache
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.data.split_file import Split
from monai_cobot.data.splits import resolve_split
from monai_cobot.errors import CobotError
from monai_cobot.handlers import own_share
from monai_cobot.inferers import (
    DetectedBoxes,
    FileBoxes,
    NoBoxes,
    OracleBoxes,
    PictureBoxes,
    holds_detections,
)
from monai_cobot.transforms import (
    CocoIds,
    Preprocessing,
    UserCompose,
    image_transforms,
    volume_transforms,
)

LOGGER = logging.getLogger(__name__)


def get_dataset(code: str, organ_table: str | Path | None = None) -> DatasetSpec:
    """The dataset of that code, or instead of it the one that the user's organ table describes.

    See :func:`monai_cobot.data.datasets.get` and
    :func:`monai_cobot.data.organ_table.read_organ_table`, also for what is raised.

    Raises:
        CobotError: a table of pictures in a bundle of volumes, or the other way round.
    """
    spec = datasets.get(code)
    if not organ_table:
        return spec
    own = read_organ_table(organ_table)
    if own.dimensions != spec.dimensions:
        what = {2: "pictures", 3: "volumes"}
        raise CobotError(
            f"organ_table {organ_table} (modality {own.modality}) is of {what[own.dimensions]}, "
            f"this bundle of {what[spec.dimensions]}: use one of the bundles of "
            "pictures, and adome_abdomen_ct_segmentation for volumes"
        )
    return own


def get_preprocessing(spec: DatasetSpec) -> Preprocessing:
    """How the dataset's intensities become SAM's 0 to 255."""
    return Preprocessing(spec.modality, spec.window)


def read_cases(
    spec: DatasetSpec,
    preprocessing: Preprocessing,
    training: bool = False,
    cache: SliceCache | None = None,
) -> UserCompose:
    """What reads a datalist item of the dataset: a volume, or a picture with its instances.

    For a training the masks of a picture are kept as run lengths, so that many take little memory.
    With a ``cache`` volumes come from it, the same to the bit; it is for items with a label.
    """
    if spec.dimensions == 3:
        read = volume_transforms(preprocessing)
        return read if cache is None else UserCompose([CachedVolumes(cache, read)])
    return image_transforms(spec.labels, runs=training)


def make_cache(
    cache_dir: str | Path | None, preprocessing: Preprocessing, workers: int = 0
) -> SliceCache | None:
    """The cache of a training's volumes, see :class:`~monai_cobot.data.slice_cache.SliceCache`."""
    folder = optional_folder(cache_dir)
    return None if folder is None else SliceCache(folder, preprocessing.to_dict(), workers)


def find_cases(dataset_dir: str | Path, spec: DatasetSpec) -> list[Case]:
    """Labelled cases of a folder in one of the dataset's layouts, or of a datalist JSON.

    Raises:
        CobotError: ``dataset_dir`` is not set or missing, or holds no case.
    """
    if not str(dataset_dir):
        raise CobotError(f"dataset_dir is not set: give --dataset_dir, the folder of {spec.code}")
    return find_labelled(dataset_dir, spec)


def find_images(
    dataset_dir: str | Path,
    spec: DatasetSpec,
    prompts_file: str | Path | None = None,
    kinds: Sequence[str] = ("box",),
) -> list[Case]:
    """Images of a folder for inference.

    The truth that lies beside them is taken only where boxes are needed, and no ``prompts_file``
    gives them.
    """
    if not str(dataset_dir):
        what = "NIfTI files" if spec.dimensions == 3 else "pictures"
        raise CobotError(f"dataset_dir is not set: give --dataset_dir, a folder of {what}")
    cases = spec.find_images(Path(dataset_dir).expanduser())
    if not prompts_file and "box" in kinds:
        return cases
    truth = ("label", "instances")
    return [{key: value for key, value in case.items() if key not in truth} for case in cases]


def choose_split(
    cases: Sequence[Case],
    split_file: str | Path,
    bundle_root: str | Path,
    seed: int = 0,
    split_by: str = "patient",
    output_dir: str | Path | None = None,
    folds: int | None = None,
    fold: int = 0,
    test_share: float | None = None,
) -> Split:
    """The user's split file, else the bundle's ``configs/splits.json``, else a new draw.

    ``test_share`` is the dataset's own, where its protocol draws the test. With ``folds`` it is
    that fold of a draw, or the user's split file if that is the same fold.

    ``output_dir`` is given for a training with ``overwrite: true`` only: the ``split.json`` in it
    belongs to the run that is replaced and is not read.
    """
    file = Path(split_file).expanduser().resolve()
    if output_dir is not None and file == Path(output_dir).expanduser().resolve() / SPLIT:
        file = file.with_name(f"{file.name}.replaced")
    frozen = Path(bundle_root) / "configs" / "splits.json"
    return resolve_split(
        cases, file, frozen, seed, split_by, folds=folds, fold=fold, test_share=test_share
    )


def choose_boxes(
    prompts_file: str | Path | None,
    cases: Sequence[Case],
    spec: DatasetSpec,
    kinds: Sequence[str] = ("box",),
    ids: CocoIds | None = None,
    min_score: float = 0.0,
) -> FileBoxes | PictureBoxes | DetectedBoxes | OracleBoxes | NoBoxes:
    """The boxes of a prompts file, else the truth's own ("oracle boxes", said in the log).

    Organ prompts need none. For pictures the file may be a detector's, in COCO's results format.

    Args:
        prompts_file: the file, or None.
        cases: the images.
        spec: their dataset.
        kinds: of the prompts.
        ids: of pictures and classes in a detector's file; volumes need none.
        min_score: detections below it are left out.

    Raises:
        CobotError: the file does not fit the images; or there is none, and an image has no truth;
            a ``min_score`` without detections.
    """
    detected = bool(prompts_file and ids is not None and holds_detections(prompts_file))
    if min_score and not detected:
        raise CobotError(
            f"min_score={min_score} is of detections: give as prompts_file a JSON list in COCO's "
            "results format, or leave min_score out"
        )
    if prompts_file:
        boxes: FileBoxes | PictureBoxes | DetectedBoxes
        if spec.dimensions == 3:
            boxes = FileBoxes(prompts_file, spec.labels)
        elif detected and ids is not None:
            boxes = DetectedBoxes(prompts_file, spec.labels, ids, min_score)
        else:
            boxes = PictureBoxes(prompts_file, spec.labels)
        boxes.check(cases)
        return boxes
    if "box" not in kinds:
        return NoBoxes()
    without = [str(case["case"]) for case in cases if not {"label", "instances"} & set(case)]
    if without:
        raise CobotError(
            f"no truth lies beside {', '.join(without[:5])}: give the boxes in a prompts_file, or "
            "an adapter with learned organ prompts"
        )
    LOGGER.warning("no prompts_file: oracle boxes are made from the truth beside the images")
    return OracleBoxes()


def check_data(cases: Sequence[Case], spec: DatasetSpec) -> None:
    """Reads every case once and refuses broken ones before any work is done.

    Of several processes each reads its share; one that refuses ends them all.
    """
    check_cases(own_share(cases), spec, progress=sys.stderr.isatty())


def hash_files(cases: Sequence[Case]) -> str:
    """SHA-256 over what the cases are; see :func:`monai_cobot.data.fingerprint.hash_cases`.

    Of several processes the first one reads the files.
    """
    first = idist.get_rank() == 0
    found = hash_cases(cases, progress=sys.stderr.isatty()) if first else ""
    return found if idist.get_world_size() == 1 else str(idist.broadcast(found, src=0))


def describe_data(spec: DatasetSpec, preprocessing: Preprocessing, split: Split) -> dict[str, Any]:
    """What a manifest says of the data: dataset, organs, preprocessing, hash of the split."""
    return {
        "dataset": spec.code,
        "organs": {organ.name: organ.label for organ in spec.organs},
        "preprocessing": preprocessing.to_dict(),
        "split_hash": split.hash,
    }
