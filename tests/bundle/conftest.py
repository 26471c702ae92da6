"""A small cohort, and the bundles run in this process as `python -m monai.bundle run` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

from monai_cobot.data.phantom import make_cohort
from monai_cobot.errors import CobotError
from tests.conftest import REPOSITORY

BUNDLES = REPOSITORY / "bundles"
ADOME = BUNDLES / "adome_abdomen_ct_segmentation"
SPLEN = BUNDLES / "splen_spleen_ct_segmentation"
MOMO = BUNDLES / "momo_left_atrium_mr_segmentation"
BRAST = BUNDLES / "brast_breast_us_segmentation"
SEGRAP = BUNDLES / "segrap_gtvnx_ct_segmentation"
MEDICAL = (ADOME, SPLEN, MOMO, BRAST, SEGRAP)
COCO = BUNDLES / "coco_natural_image_segmentation"
TRCAN = BUNDLES / "trcan_underwater_trash_segmentation"
NWPU = BUNDLES / "nwpu_remote_sensing_segmentation"
SSDD = BUNDLES / "ssdd_sar_ship_segmentation"
SONAR = BUNDLES / "sonar_marine_debris_segmentation"
NATURAL = (COCO, TRCAN, NWPU, SSDD, SONAR)
ALL = (*MEDICAL, *NATURAL)


def code_of(bundle: Path) -> str:
    """The dataset's code, as "ADOME"."""
    return bundle.name.split("_")[0].upper()


# Seconds an epoch: the twelve blocks of `small` on 16 tokens, four slices a batch. Random weights
# answer with masks of every shape, whatever the shipped ones have learnt.
FAST = {
    "sam": "small",
    "sam_checkpoint": "random",
    "image_size": 64,
    "batch_size": 4,
    "lr": 1e-3,
    "orchestration_lr": 1e-2,
    "prompts": "box",
}

Run = Callable[..., ConfigWorkflow]


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four synthetic patients of 64 x 64 x 16 voxels."""
    return make_cohort(tmp_path_factory.mktemp("data") / "phantoms", 4, seed=5, shape=(64, 64, 16))


def run_bundle(
    bundle: Path, *configs: str, workflow_type: str = "train", **ids: Any
) -> ConfigWorkflow:
    """What `python -m monai.bundle run` does, in this process; wrapped errors are unwrapped."""
    files = [str(bundle / "configs" / f"{name}.yaml") for name in configs]
    workflow = ConfigWorkflow(files, workflow_type=workflow_type, logging_file=False, **ids)
    try:
        workflow.initialize()
        workflow.run()
        workflow.finalize()
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, CobotError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        raise
    return workflow


def infer_with(bundle: Path, data: Path, run: Path, out: Path) -> None:
    """The bundle's inference with the last adapter of a run."""
    run_bundle(
        bundle,
        "inference",
        workflow_type="inference",
        dataset_dir=str(data),
        output_dir=str(out),
        checkpoint=str(run / "checkpoints" / "adapter_last.safetensors"),
    )


@pytest.fixture
def train(cohort: Path) -> Run:
    """Trains ADOME on the cohort: train(output_dir, **ids)."""

    def run(output_dir: Path, **ids: Any) -> ConfigWorkflow:
        settings = {"dataset_dir": str(cohort), "output_dir": str(output_dir), "epochs": 1}
        return run_bundle(ADOME, "train", **{**settings, **FAST, **ids})

    return run


@pytest.fixture
def evaluate(cohort: Path) -> Run:
    """Evaluates on the cohort's test part: evaluate(output_dir, **ids)."""

    def run(output_dir: Path, **ids: Any) -> ConfigWorkflow:
        settings = {"dataset_dir": str(cohort), "output_dir": str(output_dir), "epochs": 1}
        return run_bundle(ADOME, "train", "evaluate", **{**settings, **FAST, **ids})

    return run


@pytest.fixture
def infer() -> Run:
    """Runs ADOME's inference: infer(dataset_dir, output_dir, **ids)."""

    def run(dataset_dir: Path, output_dir: Path, **ids: Any) -> ConfigWorkflow:
        settings = {"dataset_dir": str(dataset_dir), "output_dir": str(output_dir)}
        return run_bundle(ADOME, "inference", workflow_type="inference", **{**settings, **ids})

    return run
