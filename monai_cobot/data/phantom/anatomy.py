"""The table of structures: where they are, how large, how bright.

Frame: mm, x to the patient's right, y anterior, z superior, the origin in the middle of the first
lumbar vertebra. Hounsfield units are typical of the portal-venous phase. Positions are of an
average adult, put together by hand from textbook relations (kidneys at T12-L3, pancreas in front
of L1-L2, duodenum around its head, oesophagus through the hiatus at T10, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from monai_cobot.data.adome import ORGANS
from monai_cobot.data.phantom.shapes import Cut, Ellipsoid, Shape, Tube, Union

LABELS = {organ.name: organ.label for organ in ORGANS}
TOP, BOTTOM = 112.0, -105.0
"""Extent of the scan in z, mm."""

FAT, MUSCLE, LUNG, GAS, AIR = -105.0, 58.0, -850.0, -900.0, -1000.0

DOME_RIGHT = Ellipsoid((76, 20, 28), (62, 80, 80))
DOME_LEFT = Ellipsoid((-74, 18, 32), (62, 78, 72))


@dataclass(frozen=True)
class Structure:
    """One structure; later ones are painted over earlier ones.

    Attributes:
        name: an organ's name gives it that organ's label.
        shape: its solid.
        hu: brightness in HU.
        rim: thickness in mm and HU of a wall or cortex.
        gas_above: gas fills what lies in front of this y (mm), as in a patient on the back.
        group: structures of one group move together.
        texture: deviation in HU of a smooth texture.
        part_of: the organ that it belongs to (vessels within the liver), "" for none.
    """

    name: str
    shape: Shape
    hu: float
    rim: tuple[float, float] | None = None
    gas_above: float | None = None
    group: str = "fixed"
    texture: float = 3.0
    part_of: str = ""

    @property
    def label(self) -> int:
        """Label in the organ table, 0 where it is no organ."""
        return LABELS.get(self.part_of or self.name, 0)


def _pair(name: str, shape: Ellipsoid, hu: float, **more: float) -> tuple[Structure, Structure]:
    """A structure on the right and its mirror image on the left."""
    (x, y, z), (a, b, c) = shape.centre, shape.turn
    mirrored = Ellipsoid((-x, y, z), shape.radii, (a, -b, -c))
    return (
        Structure(f"{name}_right", shape, hu, texture=more.get("texture", 3.0)),
        Structure(f"{name}_left", mirrored, hu, texture=more.get("texture", 3.0)),
    )


@cache
def structures() -> tuple[Structure, ...]:
    """All structures inside the body wall, in painting order (deepest background first)."""
    return (*_muscles(), *_upper(), *_kidneys(), *_middle(), *_vessels(), *_small(), *_spine())


def _muscles() -> tuple[Structure, ...]:
    return (
        *_pair("psoas", Ellipsoid((40, -4, -85), (18, 20, 75), (0, 8, 0)), MUSCLE),
        *_pair("quadratus", Ellipsoid((66, -38, -70), (20, 10, 70)), MUSCLE),
    )


def _upper() -> tuple[Structure, ...]:
    right_lobe = Ellipsoid((77, 19, 25), (59, 78, 83))
    left_lobe = Ellipsoid((10, 63, 58), (70, 33, 33), (0, 8, 0))
    hilum = Ellipsoid((32, 4, -34), (46, 58, 56), (0, -14, 0))
    spleen = Ellipsoid((-98, -22, 44), (32, 44, 48), (14, 0, 22))
    stomach = Tube(
        (
            (-52, 2, 76, 25),
            (-66, 22, 55, 33),
            (-66, 48, 22, 29),
            (-42, 66, -6, 22),
            (-2, 70, -16, 17),
            (26, 60, -8, 9),
        )
    )
    return (
        Structure("heart", Ellipsoid((-22, 62, 122), (56, 38, 24)), 125, group="heart"),
        Structure("stomach", stomach, 32, (4, 78), gas_above=62, group="gut", texture=8),
        Structure("liver", Cut(Union((right_lobe, left_lobe), 16), hilum), 108, group="liver"),
        Structure(
            "spleen", Cut(spleen, Ellipsoid((-56, 0, 42), (34, 38, 60))), 122, group="spleen"
        ),
        *_liver_vessels(),
    )


def _liver_vessels() -> tuple[Structure, ...]:
    """Portal and hepatic veins, which truth labels count as liver."""
    veins = (
        ((26, 40, 84, 5), (52, 44, 74, 4), (92, 50, 56, 2)),
        ((24, 44, 84, 5), (34, 66, 72, 4), (52, 86, 52, 2)),
        ((20, 44, 84, 4), (4, 60, 72, 3), (-20, 68, 60, 2)),
        ((30, 36, 22, 6), (62, 34, 26, 5), (100, 22, 22, 2)),
        ((56, 36, 26, 5), (76, 56, 18, 3), (92, 72, 0, 2)),
    )
    return tuple(
        Structure(f"liver_vein_{i}", Tube(knots), 158, group="liver", part_of="liver")
        for i, knots in enumerate(veins)
    )


def _kidneys() -> tuple[Structure, ...]:
    found: list[Structure] = []
    for side, sign, z in (("right", 1, -26), ("left", -1, -8)):
        turn = (-8.0, sign * 10.0, sign * -25.0)
        body = Ellipsoid((sign * 66, -16, z), (25, 29, 53), turn)
        sinus = Ellipsoid((sign * 49, -6, z), (17, 10, 21), turn)
        fat = Ellipsoid((sign * 65, -16, z), (32, 35, 58), turn)
        group = f"kidney_{side}"
        found += [
            Structure(f"perirenal_fat_{side}", fat, FAT, group=group),
            Structure(f"sinus_{side}", sinus, FAT + 60, group=group),
            Structure(group, Cut(body, sinus), 178, (6, 196), group=group),
        ]
    return tuple(found)


def _middle() -> tuple[Structure, ...]:
    duodenum = Tube(
        (
            (30, 58, -8, 11),
            (46, 46, -14, 12),
            (54, 36, -36, 13),
            (42, 36, -62, 12),
            (8, 48, -68, 10),
            (-28, 46, -54, 10),
        )
    )
    pancreas = Tube(
        (
            (33, 42, -40, 11),
            (30, 44, -22, 16),
            (8, 52, -6, 11),
            (-26, 46, 4, 12),
            (-54, 24, 16, 12),
            (-74, 4, 26, 10),
        )
    )
    return (
        Structure("duodenum", duodenum, 38, (3, 82), group="gut", texture=8),
        Structure("pancreas", pancreas, 98, group="gut", texture=9),
    )


def _vessels() -> tuple[Structure, ...]:
    aorta = Tube(((-13, 30, 140, 12), (-11, 30, 60, 11), (-7, 31, -30, 10), (-4, 31, -115, 9)))
    cava = Tube(((24, 50, 112, 12), (25, 38, 60, 12), (22, 30, -20, 11), (18, 28, -115, 11)))
    return (
        Structure(
            "portal_vein",
            Tube(((8, 50, -12, 6), (22, 44, 8, 7), (32, 36, 24, 7))),
            165,
            group="gut",
        ),
        Structure(
            "superior_mesenteric_vein",
            Tube(((10, 56, -100, 4), (11, 60, -50, 5), (9, 52, -14, 6))),
            160,
            group="gut",
        ),
        Structure(
            "superior_mesenteric_artery",
            Tube(((-8, 42, 4, 4), (-5, 54, -24, 4), (-4, 60, -95, 3))),
            150,
            group="gut",
        ),
        Structure(
            "renal_vein_left",
            Tube(((-50, -2, -8, 4), (-28, 30, -8, 4), (10, 40, -10, 4))),
            145,
            group="vessels",
        ),
        Structure("inferior_vena_cava", cava, 138, group="vessels"),
        Structure("aorta", aorta, 152, (1.5, 140), group="vessels"),
    )


def _small() -> tuple[Structure, ...]:
    right = Union(
        (
            Ellipsoid((34, 8, 44), (3.6, 16, 17), (0, 0, -28)),
            Ellipsoid((39, -1, 38), (3.4, 11, 13), (0, 0, -4)),
        ),
        3,
    )
    left = Union(
        (
            Ellipsoid((-34, 10, 36), (3.6, 15, 16), (0, 0, 32)),
            Ellipsoid((-42, 3, 32), (3.4, 12, 14), (0, 0, 62)),
        ),
        3,
    )
    gallbladder = Ellipsoid((56, 66, -16), (15, 26, 21), (25, 0, -18))
    esophagus = Tube(((-10, 50, 140, 9), (-12, 49, 100, 9), (-22, 44, 84, 9), (-42, 26, 70, 9)))
    bed = Ellipsoid((37, 4, 41), (11, 22, 21), (0, 0, -20))
    return (
        Structure("adrenal_fat_right", bed, FAT, group="vessels"),
        Structure("gallbladder", gallbladder, 10, (1.5, 45), group="liver", texture=2),
        Structure("adrenal_gland_right", right, 88, group="vessels"),
        Structure("adrenal_gland_left", left, 88, group="vessels"),
        Structure("esophagus", esophagus, 52, (3, 68), group="gut"),
    )


def _spine() -> tuple[Structure, ...]:
    bodies = [
        Structure(f"vertebra_{i}", Ellipsoid((0, 0, z), (24, 18, 19)), 185, (3, 330), texture=22)
        for i, z in enumerate((-136, -103, -69, -34, 0, 32, 62, 90, 117))
    ]
    column = Tube(((0, 0, 150, 16), (0, 0, 0, 17), (0, 0, -150, 18)))
    spines = [
        Structure(f"process_{i}", Ellipsoid((0, -52, z - 12), (3.5, 20, 10), (15, 0, 0)), 300)
        for i, z in enumerate((-103, -69, -34, 0, 32, 62, 90, 117))
    ]
    arch = Tube(((0, -27, 150, 15), (0, -27, 0, 15), (0, -27, -150, 16)))
    canal = Tube(((0, -25, 150, 9), (0, -25, 0, 9), (0, -25, -150, 9.5)))
    return (
        *_pair("erector", Ellipsoid((33, -46, 0), (27, 22, 220)), MUSCLE, texture=8),
        Structure("discs", column, 85),
        *bodies,
        *spines,
        Structure("arch", arch, 280),
        Structure("canal", canal, 30),
    )
