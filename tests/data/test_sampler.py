from __future__ import annotations

from itertools import chain, islice

import pytest

from monai_cobot.data.sampler import ResumableBatchSampler
from monai_cobot.errors import CobotError


def first(count: int, **settings) -> list[list[int]]:
    return list(islice(ResumableBatchSampler(10, 4, **settings), count))


def test_an_epoch_goes_once_through_all_and_the_next_one_too() -> None:
    batches = first(6, seed=3)
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    epochs = [list(chain(*batches[:3])), list(chain(*batches[3:]))]
    assert sorted(epochs[0]) == list(range(10))
    assert sorted(epochs[1]) == list(range(10, 20))
    assert [draw % 10 for draw in epochs[1]] != epochs[0]


@pytest.mark.parametrize("start", range(8))
def test_any_batch_is_where_a_run_may_go_on(start: int) -> None:
    assert first(3, seed=3, start_batch=start) == first(start + 3, seed=3)[start:]


def test_start_may_be_set_later() -> None:
    sampler = ResumableBatchSampler(10, 4, seed=3)
    sampler.start_batch = 4
    assert next(iter(sampler)) == first(5, seed=3)[4]


def test_seeds_differ_and_order_can_be_kept() -> None:
    assert first(3, seed=1) != first(3, seed=2)
    assert first(4, shuffle=False) == [
        *([0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [10, 11, 12, 13]),
    ]


def test_length_is_the_batches_of_an_epoch() -> None:
    assert [len(ResumableBatchSampler(n, 4)) for n in (1, 4, 5)] == [1, 1, 2]


@pytest.mark.parametrize(("length", "batch"), [(0, 1), (3, 0)])
def test_nothing_to_batch_is_refused(length: int, batch: int) -> None:
    with pytest.raises(CobotError, match="both need to be at least 1"):
        ResumableBatchSampler(length, batch)


@pytest.mark.parametrize(("length", "batch_size", "ranks"), [(10, 2, 2), (9, 2, 3), (7, 1, 2)])
def test_processes_share_every_batch(length: int, batch_size: int, ranks: int) -> None:
    """Together they see each sample once an epoch, those that fill up the last batch twice."""
    together = ResumableBatchSampler(length, batch_size * ranks, seed=3)
    samplers = [
        ResumableBatchSampler(length, batch_size, seed=3, ranks=ranks, rank=rank)
        for rank in range(ranks)
    ]
    assert {len(sampler) for sampler in samplers} == {len(together)}
    batches = [list(islice(sampler, 2 * len(together))) for sampler in samplers]
    for number, whole in enumerate(islice(together, 2 * len(together))):
        shares = [share[number] for share in batches]
        assert all(shares)
        if len(whole) >= ranks:
            assert sorted(draw for share in shares for draw in share) == sorted(whole)
        else:
            assert {draw for share in shares for draw in share} == set(whole)


def test_a_rank_that_is_none_is_refused() -> None:
    with pytest.raises(CobotError, match="rank 2 of 2 processes"):
        ResumableBatchSampler(4, ranks=2, rank=2)
