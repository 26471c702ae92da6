"""Processes share work in the order of one, and part without leaving threads behind."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from monai_cobot.handlers import gathered, own_share, processes

SCRIPT = """
import os, sys
import ignite.distributed as idist
import torch
from monai_cobot.handlers import end_processes

def threads():
    names = [open(f"/proc/self/task/{t}/comm").read() for t in os.listdir("/proc/self/task")]
    return sum("gloo" in name for name in names)

idist.initialize("gloo", init_method=f"file://{sys.argv[1]}", rank=0, world_size=1)
network = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
network(torch.ones(1, 2)).sum().backward()
before = threads()
end_processes(network)
print(before, threads(), torch.distributed.is_initialized())
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed on Linux")
def test_no_thread_of_the_group_outlives_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    before, after, initialised = done.stdout.split()
    assert int(before) > 0
    assert (after, initialised) == ("0", "False")


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_shares_are_brought_together_in_their_order(monkeypatch, ranks: int, count: int) -> None:
    """What every process made of its share of the cases, in the order of the cases."""
    cases = [f"case {number}" for number in range(count)]
    monkeypatch.setattr(processes.idist, "get_world_size", lambda: ranks)
    shares = []
    for rank in range(ranks):
        monkeypatch.setattr(processes.idist, "get_rank", lambda rank=rank: rank)
        shares.append(own_share(cases, "cases"))
    assert sorted(chain(*shares)) == cases  # each once

    def all_gather(found: list[object], mine: list[str]) -> None:
        assert mine in shares
        found[:] = shares

    monkeypatch.setattr(processes.dist, "all_gather_object", all_gather)
    for share in shares:
        assert gathered(share) == cases
