"""What COCO's files call pictures and classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

ImageId = int | str


@dataclass(frozen=True)
class CocoIds:
    """Ids of a dataset's pictures and classes, for files in COCO's formats.

    Attributes:
        images: case -> image id; either all are whole numbers or all are names.
        categories: name of a class -> category id.
        source: where they are from, for messages.
    """

    images: Mapping[str, ImageId]
    categories: Mapping[str, int]
    source: str

    def case_finder(self) -> Callable[[int | str], str | None]:
        """What gives the case of an image id, or None; ``7``, ``"7"`` and ``"007"`` are alike.

        Where two pictures differ in such zeros alone, their ids are taken to the letter.
        """
        known = {image_key(id_): case for case, id_ in self.images.items()}
        known |= {str(id_): case for case, id_ in self.images.items()}
        return lambda image_id: known.get(str(image_id), known.get(image_key(image_id)))

    @property
    def classes(self) -> dict[int, str]:
        """Name of the class of each category id."""
        return {id_: name for name, id_ in self.categories.items()}


def image_key(image_id: object) -> str:
    """An image id as text for comparing: of whole numbers the zeros in front do not count."""
    text = str(image_id)
    return str(int(text)) if text.isascii() and text.isdigit() else text
