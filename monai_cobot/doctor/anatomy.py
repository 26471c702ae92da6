"""What anatomy books say of the places of organs: which lies right, in front, or above of which.

The names are those of ADOME's table; any dataset that uses them is held against it, and any two
names that differ in "left" and "right" alone. Relations are those that hold in every adult but one
with mirrored organs (situs inversus, about 1 in 10 000).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monai_cobot.doctor.records import Position

SIDES = (("right of", "left of"), ("in front of", "behind"), ("above", "below"))
"""Words for the two ways along x, y and z of RAS."""

MARGIN_MM = 10.0
"""Centres that are nearer along an axis say nothing."""

_RIGHT = (
    *(("liver", "spleen"), ("liver", "stomach"), ("liver", "kidney_left")),
    *(("gallbladder", "spleen"), ("gallbladder", "stomach"), ("kidney_right", "spleen")),
    *(("kidney_right", "kidney_left"), ("adrenal_gland_right", "adrenal_gland_left")),
    *(("inferior_vena_cava", "aorta"), ("adrenal_gland_right", "spleen")),
)
_IN_FRONT = (
    *(("liver", "kidney_right"), ("gallbladder", "kidney_right"), ("stomach", "kidney_left")),
    *(("pancreas", "kidney_left"), ("pancreas", "kidney_right"), ("stomach", "aorta")),
    *(("gallbladder", "aorta"), ("stomach", "adrenal_gland_left")),
)
_ABOVE = (
    *(("esophagus", "duodenum"), ("esophagus", "pancreas"), ("esophagus", "kidney_left")),
    *(("esophagus", "kidney_right"), ("spleen", "duodenum")),
    *(("adrenal_gland_right", "kidney_right"), ("adrenal_gland_left", "kidney_left")),
    *(("adrenal_gland_left", "duodenum"), ("adrenal_gland_right", "duodenum")),
)


@dataclass(frozen=True)
class Relation:
    """The first organ lies further right (axis 0), in front (1) or above (2) than the second."""

    axis: int
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.first} {SIDES[self.axis][0]} {self.second}"

    def excess_mm(self, positions: Mapping[str, Position]) -> float | None:
        """By how much it holds, mm; negative where it is violated, None where it says nothing."""
        if self.first not in positions or self.second not in positions:
            return None
        difference = float((positions[self.first] - positions[self.second])[self.axis])
        return difference if abs(difference) > MARGIN_MM else None


def relations(names: Iterable[str]) -> tuple[Relation, ...]:
    """The relations between organs of these names."""
    names = set(names)
    paired = {
        (name, name.replace("right", "left"))
        for name in names
        if "right" in name and name.replace("right", "left") in names
    }
    right = dict.fromkeys((*_RIGHT, *sorted(paired)))
    return tuple(
        Relation(axis, first, second)
        for axis, pairs in enumerate((right, _IN_FRONT, _ABOVE))
        for first, second in pairs
        if {first, second} <= names
    )
