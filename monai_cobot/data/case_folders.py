"""Reader of NIfTI datasets with a folder a patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_cobot.data.datalist import dataset_folder, sorted_cases
from monai_cobot.data.nifti_folders import NiftiFolders
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class CaseFolders:
    """Finds ``<patient>/<image>`` and its label, in the same folder or in a folder of labels.

    Attributes:
        images: names of the image files, each with the suffix of its cases' names; every image of a
            folder is a case of the same patient, with the same label.
        labels: names of label files in the patient's folder; the first that exists is taken.
        label_folders: where ``<patient>.nii.gz`` lies otherwise, from the folder of the patients or
            the folder above; the first that exists is taken.
        label_values: value in such a file to label of the organ; values not named are background.
        inside: names of folders that may hold the patients' folders.
    """

    images: Mapping[str, str]
    labels: tuple[str, ...]
    label_folders: tuple[str, ...] = ()
    label_values: Mapping[int, int] | None = None
    inside: tuple[str, ...] = ()

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Labelled cases, sorted by name.

        Raises:
            CobotError: no such folder, no patient's folder, an image without label or a label
                without image.
        """
        root = self._root(dataset_folder(directory))
        return sorted_cases(self._cases(root, labelled=True), root)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Images for inference: of the patients' folders, else the NIfTI files of ``directory``.

        Raises:
            CobotError: no such folder, or no image in it.
        """
        directory = dataset_folder(directory)
        try:
            root = self._root(directory)
        except CobotError:
            if not any(directory.glob("*.nii*")):
                raise
            return NiftiFolders(layouts=(), organs={}).find_images(directory)
        return sorted_cases(self._cases(root, labelled=False), root)

    def _root(self, directory: Path) -> Path:
        """The folder that holds the patients' folders."""
        for folder in (directory, *(directory / name for name in self.inside)):
            if folder.is_dir() and any(self._images(patient) for patient in _folders(folder)):
                return folder
        raise CobotError(
            f"{directory} has no patient's folder: expected <patient>/{next(iter(self.images))} "
            f"with <patient>/{' or '.join(self.labels)}"
        )

    def _images(self, patient: Path) -> dict[str, Path]:
        """Images of a patient's folder by their suffix."""
        return {
            suffix: patient / name
            for name, suffix in self.images.items()
            if (patient / name).is_file()
        }

    def _cases(self, root: Path, labelled: bool) -> Iterator[Case]:
        for patient in _folders(root):
            images = self._images(patient)
            truth = self._truth(patient)
            if not images and any((patient / name).is_file() for name in self.labels):
                with aside("missing_image", patient, patient.name):
                    raise CobotError(
                        f"{patient} has a label but none of {', '.join(self.images)}: "
                        "add the image or remove the folder"
                    )
            if images and labelled and not truth:
                with aside("missing_label", patient, patient.name):
                    raise CobotError(
                        f"{patient} has an image but none of {', '.join(self.labels)}"
                        f"{self._elsewhere(patient)}: add the label or remove the folder"
                    )
                continue
            for suffix, image in images.items():
                yield {
                    "case": f"{patient.name}{suffix}",
                    "patient": patient.name,
                    "image": str(image),
                    **truth,
                }

    def _truth(self, patient: Path) -> Case:
        """``label`` of a patient, with ``label_values`` where it holds more; empty without one."""
        for name in self.labels:
            if (patient / name).is_file():
                return {"label": str(patient / name)}
        for folder in self.label_folders:
            for above in (patient.parent, patient.parent.parent):
                file = above / folder / f"{patient.name}.nii.gz"
                if file.is_file():
                    values = {} if self.label_values is None else dict(self.label_values)
                    return {"label": str(file), **({"label_values": values} if values else {})}
        return {}

    def _elsewhere(self, patient: Path) -> str:
        return "".join(f", nor {folder}/{patient.name}.nii.gz" for folder in self.label_folders)


def _folders(root: Path) -> list[Path]:
    """Folders in a folder, sorted; hidden ones are none."""
    return [
        path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")
    ]
