"""Order, statistics and resuming of the benchmarks, against values by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def harness(load: Load) -> ModuleType:
    return load("harness")


@pytest.fixture
def keeping(load: Load) -> ModuleType:
    return load("keeping")


def test_order_of_the_runs(harness: ModuleType) -> None:
    """A run of each to warm up, then A B B A."""
    order: list[str] = []
    runs = harness.in_blocks(lambda: order.append("A"), lambda: order.append("B"), harness.QUICK)
    assert "".join(order) == "AB" + "ABBA" * 2
    assert [len(block) for block in runs.peer + runs.ours] == [2, 2, 2, 2]


def test_ratios_are_of_the_sums_of_blocks(harness: ModuleType) -> None:
    def times(*seconds: float) -> list[Any]:
        return [harness.Time(cpu, 10 * cpu) for cpu in seconds]

    runs = harness.Runs([times(1, 3), times(2, 2)], [times(1, 1), times(4, 8)])
    assert runs.ratios("cpu").tolist() == [0.5, 3.0]
    assert runs.ratios("wall", scale=0.25).tolist() == [0.125, 0.75]
    assert runs.median("peer", "cpu") == 2.0
    assert runs.median("ours", "wall") == 25.0


def test_slow_first_runs_do_not_favour_anybody(
    harness: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that slows down evenly: A B B A sees equal times, A B A B would not."""
    clock = [0.0]
    ticks = iter(range(1, 100))

    def run() -> None:
        clock[0] += next(ticks)

    monkeypatch.setattr(harness.time, "process_time", lambda: clock[0])
    row = harness.compare("p", "n", "v", run, run, harness.QUICK)
    assert (row.ratio, row.low, row.high) == (1.0, 1.0, 1.0)


def test_a_share_of_the_work_is_multiplied(
    harness: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def run(seconds: float) -> Callable[[], None]:
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    monkeypatch.setattr(harness.time, "process_time", lambda: clock[0])
    row = harness.compare(
        "p", "n", "v", run(2.0), run(4.0), harness.QUICK, repeats=(13, 1), bound=0.5
    )
    assert row.ratio == pytest.approx(4 / 26)
    assert (row.peer, row.ours, row.bound) == (26.0, 4.0, 0.5)


def test_interval_of_the_median(harness: ModuleType) -> None:
    """The exact interval of nine values by the binomial distribution: the 2nd and the 8th.

    Of a bootstrap sample of nine the median lies below the 2nd value where five draws are the 1st:
    P = sum_{k>=5} C(9,k) (1/9)^k (8/9)^(9-k) = 0.0014 < 0.025; below the 3rd 0.027 > 0.025. So
    the lower quantile is the 2nd value, and by symmetry the upper one the 8th.
    """
    assert harness.median_interval([9, 1, 8, 2, 7, 3, 6, 4, 5]) == (5.0, 2.0, 8.0)
    assert harness.median_interval([3.0] * 9) == (3.0, 3.0, 3.0)


def test_what_is_counted_has_no_interval(harness: ModuleType) -> None:
    row = harness.counted("p", "n", "v", 4, 3, "operators", bound=1)
    assert (row.ratio, row.low, row.high, row.unit) == (0.75, 0.75, 0.75, "operators")


def test_a_part_that_is_done_is_kept(
    harness: ModuleType, keeping: ModuleType, tmp_path: Path
) -> None:
    calls: list[int] = []

    def measure(settings: object) -> list[Any]:
        calls.append(1)
        return [harness.counted("p", "n", "v", 1, len(calls), "s")]

    first = keeping.kept(tmp_path, "p", harness.QUICK, measure)
    assert keeping.kept(tmp_path, "p", harness.QUICK, measure) == first
    assert len(calls) == 1
    again = keeping.kept(tmp_path, "p", harness.QUICK, measure, again=True)
    assert [row.ours for row in again] == [2]
    assert [file.name for file in tmp_path.iterdir()] == ["p.json"]


def test_other_settings_are_not_mixed(
    harness: ModuleType, keeping: ModuleType, tmp_path: Path
) -> None:
    keeping.kept(tmp_path, "p", harness.QUICK, lambda settings: [])
    other = replace(harness.QUICK, blocks=5)
    with pytest.raises(
        SystemExit, match=r"p\.json was measured with other settings: give --only p --again"
    ):
        keeping.kept(tmp_path, "p", other, lambda settings: [])


def test_other_machines_are_not_mixed(
    harness: ModuleType, keeping: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.kept(tmp_path, "p", harness.QUICK, lambda settings: [])
    facts = keeping.machine("cpu")
    monkeypatch.setattr(keeping, "machine", lambda device: {**facts, "torch": "9.9"})
    with pytest.raises(SystemExit, match=r"\(torch: .* there, 9\.9 here\)"):
        keeping.kept(tmp_path, "p", harness.QUICK, lambda settings: [])
    without = {name: value for name, value in facts.items() if name != "transformers"}
    monkeypatch.setattr(keeping, "machine", lambda device: without)
    with pytest.raises(SystemExit, match=r"\(transformers: .* there, None here\)"):
        keeping.kept(tmp_path, "p", harness.QUICK, lambda settings: [])


def test_a_part_that_fails_leaves_nothing(
    harness: ModuleType, keeping: ModuleType, tmp_path: Path
) -> None:
    def measure(settings: object) -> Any:
        yield harness.counted("p", "n", "v", 1, 1, "s")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        keeping.kept(tmp_path / "parts", "p", harness.QUICK, measure)
    assert not list(tmp_path.iterdir())


def test_a_part_that_is_stopped_goes_on_after_its_last_comparison(
    harness: ModuleType,
    keeping: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[str] = []
    stop = True

    def measure(settings: Any) -> Any:
        for name in ("first", "second"):
            if name == "second" and stop:
                raise KeyboardInterrupt
            yield harness.compare(
                "p", name, "v", lambda n=name: done.append(n), lambda: None, settings
            )

    with pytest.raises(KeyboardInterrupt):
        keeping.kept(tmp_path, "p", harness.QUICK, measure)
    assert set(done) == {"first"}
    assert [file.name for file in tmp_path.iterdir()] == ["p.unfinished"]
    assert capsys.readouterr().err.startswith("  first, v: ")
    done.clear()
    stop = False
    rows = keeping.kept(tmp_path, "p", harness.QUICK, measure)
    assert [row.name for row in rows] == ["first", "second"]
    assert set(done) == {"second"}
    assert [file.name for file in tmp_path.iterdir()] == ["p.json"]
    assert keeping.kept(tmp_path, "p", harness.QUICK, measure) == rows


def test_a_stopped_part_of_other_settings_is_measured_anew(
    harness: ModuleType, keeping: ModuleType, tmp_path: Path
) -> None:
    row = harness.counted("p", "n", "v", 1, 1, "s")
    keeping.write_rows(tmp_path / "p.unfinished", harness.QUICK, [row])
    other = replace(harness.QUICK, blocks=5)
    assert keeping.Ledger(tmp_path / "p.unfinished", harness.QUICK).rows == [row]
    assert keeping.Ledger(tmp_path / "p.unfinished", other).rows == []


def test_settings_come_back_from_json(harness: ModuleType) -> None:
    found = harness.QUICK.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert harness.Settings(**{**found, "sides": tuple(found["sides"])}) == harness.QUICK
    assert (harness.QUICK.clock, replace(harness.QUICK, threads=2).clock) == ("cpu", "wall")
