"""What a training costs: seconds a step, memory, parameters."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from ignite.engine import Engine, Events

from monai_cobot.sam import CobotSAM
from monai_cobot.whole_file import whole_file

FILE = "cost.json"
STATUS = Path("/proc/self/status")


class StepCost:
    """Times the steps of a training and writes ``cost.json`` after every epoch.

    A step is what the trainer does with a batch: forward, loss, backward, optimiser; neither the
    loading of the batch nor the validation. The median is written. Memory is the peak: on a GPU
    what PyTorch has allocated, else of the whole process with Python and the libraries. Of a
    continued run the steps of its last process are counted.

    Args:
        network: whose trainable parameters are counted.
        output_dir: folder of the run.
    """

    def __init__(self, network: CobotSAM, output_dir: str | Path) -> None:
        self.network = network
        self.file = Path(output_dir).expanduser() / FILE
        self.seconds: list[float] = []
        self.start = 0.0

    def attach(self, engine: Engine) -> None:
        """Registers the handler with the trainer."""
        engine.add_event_handler(Events.ITERATION_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._end)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _begin(self, engine: Engine) -> None:
        self.start = self._now()

    def _end(self, engine: Engine) -> None:
        self.seconds.append(self._now() - self.start)

    def _now(self) -> float:
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    @property
    def _cuda(self) -> bool:
        return next(self.network.parameters()).is_cuda

    def _write(self, engine: Engine) -> None:
        found = {
            "seconds_per_step": statistics.median(self.seconds),
            "steps": len(self.seconds),
            "peak_memory_bytes": peak_memory(self._cuda),
            "memory_of": "GPU, allocated" if self._cuda else "process",
            "trainable": self.network.trainable_parameters(),
        }
        with whole_file(self.file) as file:
            file.write_text(json.dumps(found, indent=1) + "\n")


def peak_memory(cuda: bool) -> int:
    """Peak memory in bytes, of the current GPU or of this process.

    Linux keeps a process's ``ru_maxrss`` through exec: a small process that a large one starts
    would have the large one's. Its ``VmHWM`` is of the program itself.
    """
    if cuda:
        return int(torch.cuda.max_memory_allocated())
    if STATUS.is_file():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
