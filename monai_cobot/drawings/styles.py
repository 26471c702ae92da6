"""Characters of pictures: CT, MR, ultrasound, sonar, aerial, natural, under water and plain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from monai_cobot.drawings import degradations as degrade
from monai_cobot.drawings.degradations import Canvas
from monai_cobot.drawings.looks import Look
from monai_cobot.drawings.objects import DrawnObject

Finish = Callable[[Generator, Canvas, list[DrawnObject]], Canvas]


@dataclass(frozen=True)
class Style:
    """A character: how things look, what the device does to it, how often it is drawn."""

    name: str
    look: Look
    finish: Finish
    share: float


def _ct(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    canvas = degrade.blur(canvas, rng.uniform(0.3, 1.3))
    canvas = degrade.add_noise(rng, canvas, rng.uniform(1, 18), rng.uniform(0.4, 1.3))
    if rng.random() < 0.1:
        canvas = degrade.add_stripes(rng, canvas, rng.uniform(1, 6))
    return canvas


def _mr(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    canvas = degrade.bias_field(rng, canvas, rng.uniform(0, 0.4))
    canvas = degrade.blur(canvas, rng.uniform(0.3, 1.5))
    return degrade.rician(rng, canvas, rng.uniform(1, 16))


def _ultrasound(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    canvas = degrade.blur(canvas, rng.uniform(0.5, 2.5))
    canvas = degrade.shadows_below(rng, canvas, objects, 0.35, 1.5)
    canvas = degrade.attenuate(rng, canvas)
    canvas = degrade.speckle(
        rng, canvas, rng.uniform(0.3, 1.0), rng.uniform(0.5, 1.3), rng.uniform(0.8, 2.6)
    )
    canvas = degrade.blur(canvas, rng.uniform(0.2, 0.8))
    return degrade.fan(rng, canvas, objects) if rng.random() < 0.2 else canvas


def _sonar(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    canvas = degrade.shadows_below(rng, canvas, objects, 0.1, 0.8)
    canvas = degrade.speckle(
        rng, canvas, rng.uniform(0.4, 1.1), rng.uniform(0.3, 1.0), rng.uniform(0.3, 2.0)
    )
    canvas = degrade.bias_field(rng, canvas, rng.uniform(0, 0.6))
    if rng.random() < 0.3:
        canvas = degrade.add_stripes(rng, canvas, rng.uniform(1, 10))
    canvas = degrade.blur(canvas, rng.uniform(0.2, 1.2))
    return degrade.fan(rng, canvas, objects) if rng.random() < 0.3 else canvas


def _aerial(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    if rng.random() < 0.6:
        canvas = degrade.cast_shadows(rng, canvas, objects)
    canvas = degrade.blur(canvas, rng.uniform(0.2, 1.0))
    canvas = degrade.add_noise(rng, canvas, rng.uniform(0, 8), 0)
    return degrade.coarsen(rng, canvas, 0.5) if rng.random() < 0.4 else canvas


def _natural(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    if rng.random() < 0.4:
        canvas = degrade.cast_shadows(rng, canvas, objects)
    canvas = degrade.bias_field(rng, canvas, rng.uniform(0, 0.35))
    canvas = degrade.blur(canvas, rng.uniform(0.2, 1.2))
    canvas = degrade.add_noise(rng, canvas, rng.uniform(0, 8), 0)
    return degrade.jpeg(rng, canvas) if rng.random() < 0.3 else canvas


def _under_water(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    canvas = degrade.bias_field(rng, canvas, rng.uniform(0.2, 0.7))
    canvas = degrade.blur(canvas, rng.uniform(0.5, 2.0))
    canvas = degrade.add_noise(rng, canvas, rng.uniform(0, 8), rng.uniform(0, 1.0))
    return degrade.jpeg(rng, canvas)


def _plain(rng: Generator, canvas: Canvas, objects: list[DrawnObject]) -> Canvas:
    return degrade.blur(canvas, rng.uniform(0.0, 0.8))


STYLES = (
    Style("ct", Look(1, (0, 190), (12, 120), 12), _ct, 0.16),
    Style("mr", Look(1, (0, 170), (15, 130), 16), _mr, 0.13),
    Style("ultrasound", Look(1, (30, 150), (22, 120), 26, brighter=0.25), _ultrasound, 0.16),
    Style("sonar", Look(1, (8, 110), (26, 160), 22, brighter=0.8), _sonar, 0.13),
    Style("aerial", Look(3, (30, 190), (24, 150), 26, colourful=22), _aerial, 0.15),
    Style("natural", Look(3, (15, 220), (24, 160), 32, colourful=30), _natural, 0.15),
    Style("under_water", Look(3, (20, 170), (18, 110), 20, colourful=25), _under_water, 0.08),
    Style("plain", Look(3, (0, 255), (35, 200), 10, colourful=35), _plain, 0.04),
)
