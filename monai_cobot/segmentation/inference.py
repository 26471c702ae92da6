"""A bundle's own ``inference.yaml``, run for one case after the other with one network."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow

from monai_cobot.bundle.errors import user_error
from monai_cobot.data.spec import DatasetSpec
from monai_cobot.errors import CobotError
from monai_cobot.segmentation.notes import quiet
from monai_cobot.segmentation.results import sha256

CONFIG = Path("configs") / "inference.yaml"

UNTRAINED = {"checkpoint": "none", "method": "freeze", "orchestrate": False, "prompts": "box"}
"""Ids of ``inference.yaml`` that leave SAM as it is."""

_OTHER = {
    3: "{root} segments pictures, and this command volumes: run its inference.yaml with "
    "python -m monai.bundle run",
    2: "{root} segments volumes, and a scene is a picture: give a bundle of pictures, as "
    "nwpu_remote_sensing_segmentation, with the --organ-table of your classes",
}


class BundleInference:
    """Runs the config as ``python -m monai.bundle run`` does; only what is asked for is built.

    Of the config it uses the ids ``spec``, ``network_def``, ``network``, ``inferer``, ``boxes`` and
    ``checkpoint``, and sets ``bundle_root``, ``dataset#data``, ``output_dir``, ``prompts_file``,
    ``overwrite``, ``checkpoint``, ``sam_checkpoint``, ``organ_table`` and ``device``. All else is
    the bundle's.

    Args:
        bundle: its folder.
        adapter: the adapter file; None is the config's own.
        sam_checkpoint: weights of the base model; None is the config's own.
        device: of the network; None is the config's own.
        organ_table: of a dataset of one's own, with which the adapter was trained.
        dimensions: 3 for a bundle of volumes, 2 for one of pictures.
        sam: size of a SAM that is taken as it is (zero shot), in place of an adapter.

    Raises:
        CobotError: no bundle, one of the other dimensions, or both ``adapter`` and ``sam``.
    """

    def __init__(
        self,
        bundle: str | Path,
        adapter: str | Path | None = None,
        sam_checkpoint: str | Path | None = None,
        device: torch.device | None = None,
        organ_table: str | Path | None = None,
        dimensions: int = 3,
        sam: str | None = None,
    ) -> None:
        self.root = Path(bundle).expanduser().resolve()
        if not (self.root / CONFIG).is_file():
            raise CobotError(
                f"{self.root} is no bundle, it has no {CONFIG}: give a bundle's folder"
            )
        if "#" in str(self.root):
            raise CobotError(f"{self.root}: MONAI gives # a meaning of its own: rename the folder")
        if sam is not None and adapter is not None:
            raise CobotError("--sam is a SAM without an adapter: give --sam or --adapter")
        given: dict[str, Any] = {
            "checkpoint": None if adapter is None else Path(adapter).expanduser(),
            "sam_checkpoint": None if sam_checkpoint is None else _weights(sam_checkpoint),
            "device": device,
            "organ_table": None if organ_table is None else Path(organ_table).expanduser(),
        }
        if sam is not None:
            given |= {"sam": sam, **UNTRAINED}
        self.settings = {name: value for name, value in given.items() if value is not None}
        self.spec = self._get_spec(dimensions)

    def build_network(self) -> Any:
        """Builds the network, once for all cases, and moves it to its device.

        Returns:
            the network, a :class:`~monai_cobot.sam.CobotSAM`.

        Raises:
            CobotError: no adapter, no weights, or an adapter of another bundle.
        """
        adapter = self.adapter()
        if "checkpoint" not in self.settings and adapter is not None and not adapter.is_file():
            raise CobotError(
                f"{self.root.name} has no adapter of its own ({adapter} does not exist): give the "
                "file that training wrote, --adapter FILE"
            )
        workflow = self._workflow()
        self.settings["network_def"] = _part(workflow, "network_def")
        return _part(workflow, "network")

    def made_with(self) -> dict[str, Any]:
        """What a summary says of the model: bundle, adapter file and its hash."""
        adapter = self.adapter()
        return {
            "bundle": self.root.name,
            "adapter": None if adapter is None else str(adapter),
            "adapter_sha256": sha256(adapter),
        }

    def adapter(self) -> Path | None:
        """The adapter file that the config names; None where it wants an untrained network."""
        checkpoint = str(_part(self._workflow(), "checkpoint"))
        return None if checkpoint == "none" else Path(checkpoint).expanduser()

    def prompts(self, items: Sequence[Mapping[str, Any]]) -> str:
        """What says where to look in these cases, without a prompts file, in words.

        Raises:
            CobotError: there are no prompts, and the bundle needs some.
        """
        try:
            boxes = _part(self._workflow(items), "boxes")
        except CobotError as error:
            raise CobotError(f"{error} (--prompts FILE)") from error
        return str(getattr(boxes, "name", "none"))

    def segment(
        self,
        item: Mapping[str, Any],
        output_dir: Path,
        prompts_file: Path | None = None,
        overwrite: bool = False,
    ) -> None:
        """Runs the config on one case, from its first check to the label map in ``output_dir``.

        Args:
            item: of a datalist: ``case``, ``patient``, ``image``.
            output_dir: gets ``<case>_seg.nii.gz``.
            prompts_file: names no other case.
            overwrite: whether an earlier label map is replaced.

        Raises:
            CobotError: what the bundle's checks and transforms raise.
        """
        settings = {"prompts_file": prompts_file, "output_dir": output_dir, "overwrite": overwrite}
        if "label" in item and self._finds_organs():
            item = {key: value for key, value in item.items() if key != "label"}
        workflow = self._workflow([item], **settings)
        try:
            workflow.initialize()
            workflow.run()
            workflow.finalize()
        except Exception as error:
            _raise_user_error(error)
            raise

    def _finds_organs(self) -> bool:
        """Whether the organ prompts do without boxes, and so without a truth beside the image."""
        return "box" not in getattr(_part(self._workflow(), "inferer"), "kinds", ("box",))

    def _get_spec(self, dimensions: int) -> DatasetSpec:
        workflow = self._workflow()
        spec = _part(workflow, "spec") if "spec" in workflow.parser else None
        if not isinstance(spec, DatasetSpec):
            raise CobotError(f"{self.root / CONFIG} has no spec: give a bundle of this package")
        if spec.dimensions != dimensions:
            raise CobotError(_OTHER[dimensions].format(root=self.root))
        return spec

    def _workflow(self, items: Sequence[Mapping[str, Any]] = (), **settings: Any) -> ConfigWorkflow:
        # Paths and tuples, which MONAI hands on as they are: of strings it would read @, $ and #.
        with quiet("monai.bundle.workflows", logging.ERROR):
            return ConfigWorkflow(
                str(self.root / CONFIG),
                workflow_type="inference",
                logging_file=False,
                **{"bundle_root": str(self.root), "dataset#data": tuple(items)},
                **self.settings,
                **{name: value for name, value in settings.items() if value is not None},
            )


def _weights(sam_checkpoint: str | Path) -> str | Path:
    """A file; or a word such as ``random``, which is none."""
    file = Path(sam_checkpoint).expanduser()
    return file if file.exists() else str(sam_checkpoint)


def _part(workflow: ConfigWorkflow, name: str) -> Any:
    """A part of the config, built; raises what the config does, a CobotError as itself."""
    try:
        return workflow.parser.get_parsed_content(name)
    except Exception as error:
        _raise_user_error(error)
        raise


def _raise_user_error(error: Exception) -> None:
    """Raises the CobotError that MONAI has wrapped; does nothing where there is none."""
    found = user_error(error)
    if found is not None and found is not error:
        raise found from error
