"""Characters of pictures, and how things look in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import default_rng

from monai_cobot.drawings import looks, scene
from monai_cobot.drawings.looks import Look, paint_ground, paint_objects
from monai_cobot.drawings.objects import DrawnObject
from monai_cobot.drawings.styles import STYLES, Style

SIZE = 64


def block(rows: slice, columns: slice, group: int = 0) -> DrawnObject:
    coverage = np.zeros((SIZE, SIZE), np.float32)
    coverage[rows, columns] = 1
    return DrawnObject(coverage, (32.0, 32.0), 10.0, group)


def test_shares_add_up_and_names_are_one_each() -> None:
    assert sum(style.share for style in STYLES) == pytest.approx(1)
    assert len({style.name for style in STYLES}) == len(STYLES)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_style_draws(style: Style, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "STYLES", (style,))
    grey = style.look.channels == 1
    for number in range(4):
        drawing = scene.draw(1, number, SIZE)
        assert drawing.style == style.name
        assert drawing.image.std() > 1
        assert np.array_equal(drawing.image[0], drawing.image[1]) == grey


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_finishing_keeps_the_shape_and_what_was_given(style: Style) -> None:
    channels = style.look.channels
    canvas = default_rng(0).uniform(0, 255, (SIZE, SIZE, channels)).astype(np.float32)
    before, objects = canvas.copy(), [block(slice(20, 40), slice(20, 40))]
    for seed in range(8):  # some devices come now and then only
        finished = style.finish(default_rng(seed), canvas, objects)
        assert finished.shape == canvas.shape
        assert np.isfinite(finished).all()
    assert np.array_equal(canvas, before)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_ground_has_the_levels_that_were_asked_for(channels: int) -> None:
    look = Look(channels, ground=(90, 110), contrast=(20, 40), roughness=0)
    for seed in range(10):
        ground = paint_ground(default_rng(seed), SIZE, look)
        assert ground.shape == (SIZE, SIZE, channels)
        assert ground.dtype == np.float32
        assert 89.9 < ground.min() <= ground.max() < 110.1


def test_objects_differ_from_what_they_lie_on_by_the_contrast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looks, "_shaded", lambda rng, region, drawn: region)
    monkeypatch.setattr(looks, "_outlined", lambda rng, canvas, drawn: canvas)
    look = Look(1, ground=(100, 100), contrast=(20, 40), roughness=0, brighter=0.5)
    ground = np.full((SIZE, SIZE, 1), 100, np.float32)
    drawn = block(slice(16, 48), slice(16, 48))
    steps = []
    for seed in range(40):
        painted = paint_objects(default_rng(seed), ground, [drawn], look)
        step = float(painted[32, 32, 0]) - 100
        assert 19.5 <= abs(step) <= 40.5
        assert painted[0, 0, 0] == pytest.approx(100)
        steps.append(step)
    assert 10 < sum(step > 0 for step in steps) < 30
    assert (ground == 100).all()


def test_where_there_is_no_room_above_an_object_is_darker() -> None:
    look = Look(1, ground=(250, 250), contrast=(60, 80), roughness=0, brighter=1.0)
    ground = np.full((SIZE, SIZE, 1), 250, np.float32)
    painted = paint_objects(default_rng(0), ground, [block(slice(16, 48), slice(16, 48))], look)
    assert painted[32, 32, 0] < 220


def test_objects_of_one_group_look_alike_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looks, "_shaded", lambda rng, region, drawn: region)
    monkeypatch.setattr(looks, "_outlined", lambda rng, canvas, drawn: canvas)
    look = Look(3, ground=(100, 100), contrast=(20, 90), roughness=0, colourful=20)
    ground = paint_ground(default_rng(0), SIZE, look)
    places = [slice(4, 20), slice(24, 40), slice(44, 60)]
    objects = [block(place, place, group) for place, group in zip(places, (0, 0, 2), strict=True)]
    painted = paint_objects(default_rng(1), ground, objects, look)
    first, second, third = (painted[place.start + 8, place.start + 8] for place in places)
    np.testing.assert_allclose(first, second, atol=30)  # the texture may change over the picture
    assert np.abs(first - third).max() > 1
