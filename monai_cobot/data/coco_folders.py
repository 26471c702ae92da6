"""Reader of datasets that are JSON files in COCO's format beside folders of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monai_cobot.data.coco_json import category_names, coco_cases, read_coco
from monai_cobot.data.datalist import dataset_folder, sorted_cases
from monai_cobot.data.image_files import plain_images
from monai_cobot.data.problems import aside
from monai_cobot.data.spec import Case
from monai_cobot.errors import CobotError


@dataclass(frozen=True)
class CocoList:
    """One published list.

    Attributes:
        json: its file, relative to the dataset's folder.
        images: folders where its pictures may be, likewise; the first that exists is taken.
        part: the side it is published for: "training", "validation" or "test".
    """

    json: str
    images: tuple[str, ...]
    part: str


@dataclass(frozen=True)
class CocoFolders:
    """Finds the lists of a dataset and the pictures they name.

    A part keeps the side it is published for, as ``part`` of its cases. Where pictures of two
    folders have one name, the folder's name is put before both.

    Attributes:
        lists: the files; one of them is enough.
        classes: names of the classes.
        inside: folders in which the distributed archive has the dataset.
        patient_of: group of a case name.
        complete: whether a file must list all classes.
        other_versions: classes of other versions of the dataset, by the code they go by.
    """

    lists: tuple[CocoList, ...]
    classes: tuple[str, ...]
    inside: tuple[str, ...] = ()
    patient_of: Callable[[str], str] = str
    complete: bool = False
    other_versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """The layout in words, for messages."""
        return " and ".join(f"{each.json} with {' or '.join(each.images)}/" for each in self.lists)

    def find_root(self, directory: str | Path) -> Path | None:
        """The folder with one of the lists: ``directory`` or one inside; None without any.

        Raises:
            CobotError: no such folder.
        """
        top = dataset_folder(directory)
        for root in (top, *(top / name for name in self.inside)):
            if any((root / each.json).is_file() for each in self.lists):
                return root
        return None

    def find_cases(self, directory: str | Path) -> list[Case]:
        """All images of the lists, also those without instances, sorted by name.

        Raises:
            CobotError: none of the lists; no folder of images; a picture in two lists; what the
                files of the lists do wrong.
        """
        root = self.find_root(directory)
        if root is None:
            raise CobotError(
                f"{directory} is no dataset of a known layout: expected {self.expected}"
            )
        cases: list[Case] = []
        for each in self.lists:
            if (root / each.json).is_file():
                with aside("json_unreadable", root / each.json):
                    cases += [{**case, "part": each.part} for case in self._listed(root, each)]
        return sorted_cases(self._named(cases, root), root)

    def find_images(self, directory: str | Path) -> list[Case]:
        """Images for inference: those of the lists, or the pictures of a plain folder.

        Raises:
            CobotError: neither; or as ``find_cases``.
        """
        if self.find_root(directory) is not None:
            return self.find_cases(directory)
        return plain_images(dataset_folder(directory), self.expected)

    def _listed(self, root: Path, each: CocoList) -> list[Case]:
        path = root / each.json
        coco = read_coco(path)
        found = {str(category.get("name")) for category in coco.cats.values()}
        for code, classes in self.other_versions.items():
            if found <= set(classes) and not found <= set(self.classes):
                raise CobotError(f"{path} has the classes of another version: use dataset {code}")
        names = category_names(coco, path, self.classes)
        lacking = [name for name in self.classes if name not in names.values()]
        with aside("categories_lacking", path):
            if self.complete and lacking:
                raise CobotError(
                    f"{path} lacks the categories {', '.join(lacking)}: restore the list of "
                    "categories"
                )
        folders = [root / name for name in each.images]
        folder = next((folder for folder in folders if folder.is_dir()), None)
        if folder is None:
            raise CobotError(
                f"{path} is there but not the folder of its images: expected "
                f"{' or '.join(map(str, folders))}"
            )
        return coco_cases(coco, path, folder, names)

    def _named(self, cases: list[Case], root: Path) -> Iterable[Case]:
        """The cases with names of their own, and their groups."""
        for image, count in Counter(case["image"] for case in cases).items():
            with aside("image_in_two_parts", image, Path(image).stem):
                if count > 1:
                    raise CobotError(f"{image} is in two lists of {root}: take it out of one")
        cases = list({case["image"]: case for case in reversed(cases)}.values())[::-1]
        counts = Counter(case["case"] for case in cases)
        for case in cases:
            name = case["case"]
            if counts[name] > 1:
                name = f"{Path(case['image']).parent.name}_{name}"
            yield {**case, "case": name, "patient": self.patient_of(name)}
