"""Clicks where the answer was wrong."""

from __future__ import annotations

import torch

from monai_cobot.pretraining.prompting import click_errors, joined, points_inside


def test_points_are_drawn_uniformly_inside_of_each_mask() -> None:
    torch.manual_seed(0)
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, 2, 5] = 1
    masks[1, 1:3, 4:8] = 1
    counts = torch.zeros(8, 8)
    for _ in range(800):
        points, labels = points_inside(masks)
        assert points.shape == (2, 1, 2)
        assert points[0].tolist() == [[5, 2]]
        assert labels.tolist() == [[1], [1]]
        x, y = points[1, 0].long().tolist()
        counts[y, x] += 1
    assert (counts[masks[1] == 0] == 0).all()
    assert (counts[masks[1] == 1] - 100).abs().max() < 50  # five deviations of a binomial


def test_clicks_land_in_the_error_with_the_label_of_the_truth() -> None:
    torch.manual_seed(0)
    truth = torch.zeros(4, 8, 8, dtype=torch.uint8)
    truth[:, 3:5, 1:7] = 1  # wide, so that rows and columns cannot be taken for one another
    logits = torch.where(truth.bool(), 5.0, -5.0)
    logits[0, 3, 4] = -1  # one pixel missed
    logits[1, 0, 7] = 1  # one too many
    logits[2, 3:5, 1:7] = -1  # all missed, and as many outside
    logits[2, 6:8, :6] = 1  # logits[3] is faultless
    labels_of_two = set()
    for _ in range(40):
        points, labels = click_errors(logits, truth)
        assert points.shape == (4, 1, 2)
        assert labels.shape == (4, 1)
        assert (points[0].tolist(), labels[0].tolist()) == ([[4, 3]], [1])
        assert (points[1].tolist(), labels[1].tolist()) == ([[7, 0]], [0])
        for index in (2, 3):
            x, y = points[index, 0].long().tolist()
            assert labels[index].item() == truth[index, y, x].item()
            assert index == 3 or (logits[2, y, x] > 0) != truth[2, y, x].bool()
        assert labels[3].item() == 1
        labels_of_two.add(labels[2].item())
    assert labels_of_two == {0.0, 1.0}


def test_clicks_are_joined_prompt_by_prompt() -> None:
    first = (torch.zeros(2, 1, 2), torch.ones(2, 1))
    more = (torch.ones(2, 1, 2), torch.zeros(2, 1))
    assert joined(None, first) is first
    points, labels = joined(first, more)
    assert points[..., 0].tolist() == [[0, 1], [0, 1]]
    assert labels.tolist() == [[1, 0], [1, 0]]
