"""What makes patients differ: all of it drawn once, from a generator of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_cobot.data.phantom.anatomy import Structure, structures
from monai_cobot.data.phantom.shapes import Moved, Point, Tube

STORED_AS = ("LPS", "RAS", "LAS")
"""Orientations in which scanners and their converters store volumes."""


@dataclass(frozen=True)
class Patient:
    """One patient and one scan of theirs.

    Attributes:
        scale: size against the average, along x, y and z.
        fat_mm: thickness of the subcutaneous fat.
        tilt_deg: rotation about z on the table.
        shift_mm: of the body off the middle of the scan, along x and y.
        warp_mm: deviation of the smooth deformation.
        noise_hu: deviation of the noise.
        orientation: axis codes in which the file is stored.
        structures: the anatomy as this patient has it, in painting order.
    """

    scale: Point
    fat_mm: float
    tilt_deg: float
    shift_mm: tuple[float, float]
    warp_mm: float
    noise_hu: float
    orientation: str
    structures: tuple[Structure, ...]


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient; everything comes from ``rng``."""
    stature, girth = rng.uniform(0.92, 1.08), rng.uniform(0.93, 1.08)
    return Patient(
        scale=(stature * girth, stature * girth * rng.uniform(0.94, 1.05), stature),
        fat_mm=float(rng.uniform(7, 34)),
        tilt_deg=float(rng.normal(0, 2)),
        shift_mm=(float(rng.normal(0, 6)), float(rng.normal(0, 6))),
        warp_mm=float(rng.uniform(2.5, 4.0)),
        noise_hu=float(rng.uniform(9, 20)),
        orientation=str(rng.choice(STORED_AS)),
        structures=_bowel(rng) + _individual(rng),
    )


def _individual(rng: np.random.Generator) -> tuple[Structure, ...]:
    """The table with this patient's sizes, positions and brightness; a group shifts as one."""
    shifts: dict[str, Point] = {"fixed": (0.0, 0.0, 0.0)}
    enhancement = rng.uniform(0.9, 1.1)
    result: list[Structure] = []
    for item in structures():
        if item.group not in shifts:
            x, y, z = rng.normal(0, (3.0, 3.0, 4.5))
            shifts[item.group] = (float(x), float(y), float(z))
        fixed = item.group in ("fixed", "vessels")
        scale = 1.0 if fixed else float(np.clip(rng.normal(1, 0.07), 0.86, 1.16))
        hu = item.hu * enhancement if item.hu > 70 else item.hu
        result.append(
            Structure(
                item.name,
                Moved(item.shape, shifts[item.group], scale),
                float(hu + rng.normal(0, 4)),
                item.rim,
                item.gas_above,
                item.group,
                item.texture,
                item.part_of,
            )
        )
    return tuple(result)


def _bowel(rng: np.random.Generator) -> tuple[Structure, ...]:
    """Small bowel as random loops, the colon around it; no organ of the table, painted first."""
    loops: list[Structure] = []
    for index in range(7):
        place = rng.uniform((-75, 38, -100), (75, 84, -44))
        knots = []
        for _ in range(6):
            x, y, z = place
            knots.append((float(x), float(y), float(z), float(rng.uniform(9, 12))))
            place = np.clip(place + rng.normal(0, (24, 10, 14)), (-85, 34, -112), (85, 90, -40))
        gas = float(knots[2][1] + 6) if rng.random() < 0.4 else None
        hu = float(rng.uniform(15, 60))
        loops.append(Structure(f"loop_{index}", Tube(tuple(knots), 2), hu, (2.5, 85), gas))
    return (*loops, *_colon(rng))


def _colon(rng: np.random.Generator) -> tuple[Structure, ...]:
    sag = rng.uniform(-75, -35)
    paths = {
        "ascending": ((96, 16, -112, 22), (100, 18, -70, 20), (92, 34, -46, 18)),
        "transverse": (
            (88, 60, -50, 16),
            (40, 88, float(sag) + 10, 16),
            (-30, 90, float(sag), 15),
            (-94, 46, 0, 15),
        ),
        "descending": ((-104, 24, 4, 14), (-108, 0, -40, 13), (-106, -2, -112, 13)),
    }
    return tuple(
        Structure(
            f"colon_{name}",
            Tube(knots),
            float(rng.uniform(20, 60)),
            (2.5, 75),
            float(knots[1][1] + rng.uniform(-4, 6)),
            texture=40,
        )
        for name, knots in paths.items()
    )
