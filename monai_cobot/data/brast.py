"""BRAST: BUSI, breast ultrasound; the 210 malignant pictures with their lesions.

Files: ``malignant (n).png``, ``malignant (n)_mask.png`` and, where there is more than one lesion,
``_mask_1.png`` and so on, which are united to one target. The folder, ``Dataset_BUSI_with_GT`` or
what lies above it may be given. BUSI has no patient numbers and some pictures more than once;
pictures of equal pixels are one group, so that no split parts them.

Source: Al-Dhabyani et al., Data in Brief 28 (2020) 104863.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from monai_cobot.data.datalist import dataset_folder, sorted_cases
from monai_cobot.data.image_files import colours, pictures, pixel_hash, plain_images
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case, DatasetSpec, Organ
from monai_cobot.errors import CobotError

_log = logging.getLogger(__name__)

LESION = Organ(1, "lesion")
_MASK = re.compile(r"(?P<picture>.+)_mask(_(?P<number>\d+))?")
_ABOVE = ("", "Dataset_BUSI_with_GT")
_EXPECTED = "'malignant (n).png' with 'malignant (n)_mask.png' in Dataset_BUSI_with_GT/malignant"


@dataclass(frozen=True)
class BusiFolders:
    """Finds pictures and their masks.

    Attributes:
        kinds: folders that are read: "malignant", "benign", "normal" (whose pictures have no
            lesion; their black masks are not read).
    """

    kinds: tuple[str, ...] = ("malignant",)

    def find_cases(self, directory: str | Path) -> list[Case]:
        """Pictures with their lesion, sorted by name.

        Raises:
            CobotError: no such folder or picture; a picture without mask, a mask without picture,
                a broken picture.
        """
        folders = self._folders(dataset_folder(directory))
        if not folders:
            raise CobotError(f"{directory} is no dataset of a known layout: expected {_EXPECTED}")
        cases = sorted_cases((c for f in folders for c in self._cases(f)), directory)
        return _grouped(cases)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Pictures for inference: those of the layout, or of a plain folder without masks.

        Raises:
            CobotError: no picture; or as ``find_cases``.
        """
        root = dataset_folder(directory)
        if self._folders(root):
            return self.find_cases(root)
        return plain_images(root, _EXPECTED)

    def _folders(self, root: Path) -> list[Path]:
        """Folders with masks: of the kinds, or the folder itself."""
        found = [root / above / kind for above in _ABOVE for kind in self.kinds]
        found = [folder for folder in found if folder.is_dir()] or [root]
        return [folder for folder in found if any(map(_MASK.fullmatch, pictures(folder)))]

    def _cases(self, folder: Path) -> list[Case]:
        found = pictures(folder)
        masks: dict[str, dict[int, Path]] = {n: {} for n in found if not _MASK.fullmatch(n)}
        for name, path in found.items():
            match = _MASK.fullmatch(name)
            if match is None:
                continue
            with aside("missing_image", path, match["picture"]):
                if match["picture"] not in masks:
                    raise CobotError(
                        f"{path} is the mask of a picture {match['picture']}, which is not there: "
                        "restore it or remove the mask"
                    )
                masks[match["picture"]][int(match["number"] or 0)] = path
        cases: list[Case] = []
        for name, files in masks.items():
            with aside("missing_label", found[name], name):
                cases.append(_case(found[name], files))
        return cases


def _case(image: Path, masks: dict[int, Path]) -> Case:
    if not masks:
        raise CobotError(
            f"{image} has no mask: add {image.stem}_mask{image.suffix} or remove the picture"
        )
    files = [str(masks[number]) for number in sorted(masks)]
    lesion = {"instance": 1, "organ": LESION.name, "mask_files": files}
    instances = [] if image.stem.startswith("normal") else [lesion]
    return {"case": image.stem, "patient": image.stem, "image": str(image), "instances": instances}


def _grouped(cases: list[Case]) -> list[Case]:
    """Pictures of equal pixels become one patient, called as the first of them."""
    first: dict[str, str] = {}
    copies = []
    for case in cases:
        with aside("image_unreadable", case["image"], case["case"]):
            digest = pixel_hash(colours(case["image"]))
            case["patient"] = first.setdefault(digest, case["case"])
        if case["patient"] != case["case"]:
            copies.append(f"{case['case']} = {case['patient']}")
    if copies:
        _log.warning("%d pictures are copies of others: %s", len(copies), ", ".join(copies))
    return cases


BRAST = DatasetSpec(
    code="BRAST",
    title="BUSI, breast ultrasound, malignant",
    modality="US",
    window=(0.0, 255.0),
    organs=(LESION,),
    reader=BusiFolders(),
)
