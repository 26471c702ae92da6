"""Reader of NIfTI datasets with a folder of images beside a folder of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from monai_cobot.data.datalist import (
    NIFTI_ENDINGS,
    case_name,
    cases_from_datalist,
    dataset_folder,
    read_json,
    sorted_cases,
)
from monai_cobot.data.label_table import check_label_table
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError

Layout: TypeAlias = tuple[str, str]
FLARE_LAYOUT: Layout = ("images", "labels")
NNUNET_LAYOUT: Layout = ("imagesTr", "labelsTr")


@dataclass(frozen=True)
class NiftiFolders:
    """Finds ``images/<case>[_0000].nii.gz`` and ``labels/<case>.nii.gz``.

    A ``dataset.json`` (decathlon, nnU-Net 1 or 2) is followed where it lists ``training`` cases,
    which may have a ``patient``; otherwise the folders are paired by file name.

    Attributes:
        layouts: accepted pairs of folder names (images, labels); the first that exists is read.
        organs: name of each label, to catch a ``dataset.json`` that numbers them otherwise.
        aliases: other spellings of those names.
        patient_of: patient of a case name, where ``dataset.json`` has no ``patient``.
    """

    layouts: tuple[Layout, ...]
    organs: Mapping[int, str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    patient_of: Callable[[str], str] = str

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Labelled cases, sorted by name.

        Raises:
            CobotError: no such folder, none of the layouts, no case, an image without label or a
                label without image, a ``dataset.json`` that contradicts the organ table.
        """
        root = dataset_folder(directory)
        if self._description(root).get("training"):
            return cases_from_datalist(root / "dataset.json", patient_of=self.patient_of)
        for images, labels in self.layouts:
            if (root / images).is_dir() and (root / labels).is_dir():
                return sorted_cases(self._pairs(root / images, root / labels), root)
        raise CobotError(f"{root} is no dataset of a known layout: expected {self._expected()}")

    def find_images(self, directory: str | Path) -> list[Case]:
        """Images for inference: of ``directory`` itself, or of a layout's image folder in it.

        ``label`` is there where the label folder that belongs to the images has the case.

        Raises:
            CobotError: no such folder, or no NIfTI file in it.
        """
        root = dataset_folder(directory)
        inside = [root / images for images, _ in self.layouts if (root / images).is_dir()]
        folder = root if _volumes(root) or not inside else inside[0]
        images = _volumes(folder)
        if not images:
            raise CobotError(
                f"no image in {folder}: expected {' or '.join(NIFTI_ENDINGS)} files there, "
                f"or in a folder {' or '.join(name for name, _ in self.layouts)} of it"
            )
        label_folder = dict(self.layouts).get(folder.name)
        labels = _volumes(folder.parent / label_folder) if label_folder else {}
        description = self._description(folder.parent) if label_folder else {}
        patients = _patients(description)
        return [
            {
                "case": name,
                "patient": patients.get(name, self.patient_of(name)),
                "image": str(image),
                **({"label": str(labels[name])} if name in labels else {}),
            }
            for name, image in sorted(images.items())
        ]

    def _description(self, root: Path) -> dict[str, Any]:
        """Content of ``dataset.json``, its label table checked; nothing where there is none."""
        path = root / "dataset.json"
        if not path.is_file():
            return {}
        content: dict[str, Any] = {}
        with aside("json_unreadable", path):
            content = read_json(path)
        with aside("label_table", path):
            check_label_table(path, content.get("labels"), self.organs, self.aliases)
        return content

    def _pairs(self, image_folder: Path, label_folder: Path) -> list[Case]:
        images, labels = _volumes(image_folder), _volumes(label_folder)
        if not images:
            raise CobotError(f"no case in {image_folder}: expected {self._expected()}")
        for name in sorted(images.keys() ^ labels.keys()):
            has, lacks, file, folder = (
                ("image", "label", images[name], label_folder)
                if name in images
                else ("label", "image", labels[name], image_folder)
            )
            with aside(f"missing_{lacks}", file, name):
                raise CobotError(
                    f"case {name} has its {has} but no {lacks} in {folder}: "
                    f"add the {lacks} or remove the {has}"
                )
        return [
            {
                "case": name,
                "patient": self.patient_of(name),
                "image": str(image),
                "label": str(labels[name]),
            }
            for name, image in images.items()
            if name in labels
        ]

    def _expected(self) -> str:
        return " or ".join(
            f"{images}/<case>[_0000].nii.gz with {labels}/<case>.nii.gz"
            for images, labels in self.layouts
        )


def _volumes(folder: Path) -> dict[str, Path]:
    """NIfTI files of a folder by case name; hidden files (macOS leaves "._x.nii.gz") are none."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.endswith(NIFTI_ENDINGS) and not path.name.startswith("."):
            name = case_name(path)
            with aside("case_twice", path, name):
                if name in found:
                    raise CobotError(
                        f"case {name} is there twice, as {found[name].name} and {path.name}: "
                        f"remove one of them from {folder}"
                    )
                found[name] = path
    return found


def _patients(description: Mapping[str, Any]) -> dict[str, str]:
    """Patients that ``dataset.json`` names, by case."""
    entries = description.get("training") or []
    return {
        case_name(entry.get("label") or entry["image"]): str(entry["patient"])
        for entry in entries
        if isinstance(entry, Mapping) and "image" in entry and "patient" in entry
    }
