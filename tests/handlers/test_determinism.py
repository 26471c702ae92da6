"""Dropout is drawn anew in each iteration and process, and the same when it is run again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from monai_cobot.handlers import SeedIterations, determinism


def drawn(monkeypatch: pytest.MonkeyPatch, seed: int, iteration: int, rank: int) -> list[float]:
    monkeypatch.setattr(determinism.idist, "get_rank", lambda: rank)
    with torch.random.fork_rng(devices=[]):
        SeedIterations(seed)(SimpleNamespace(state=SimpleNamespace(iteration=iteration)))
        return torch.rand(8).tolist()


def test_every_iteration_and_process_has_its_own(monkeypatch) -> None:
    places = [(seed, at, rank) for seed in (0, 1) for at in (1, 2) for rank in (0, 1, 7)]
    found = [drawn(monkeypatch, *place) for place in places]
    assert len({tuple(numbers) for numbers in found}) == len(places)
    assert [drawn(monkeypatch, *place) for place in places] == found


def test_one_process_is_the_first_of_several(monkeypatch) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3 * 1_000_003 + 5)
        expected = torch.rand(8).tolist()
    assert drawn(monkeypatch, 3, 5, 0) == expected
