"""Several runs at a time on this machine."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from threading import Event

from monai_cobot.comparison.jobs import Jobs, Outcome, attempt
from monai_cobot.comparison.processes import StoppedError, launch
from monai_cobot.comparison.resources import Resources, gpu_places, visible_gpus
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError


class LocalJobs(Jobs):
    """So many processes at once; each thread waits for one.

    Args:
        count: how many.
        resources: of each; GPUs are dealt out.

    Raises:
        CobotError: none, or not enough GPUs.
    """

    parallel = True

    def __init__(self, count: int, resources: Resources) -> None:
        if count < 1:
            raise CobotError(f"--jobs {count} is none: give 1 or more")
        self._count = count
        gpus = gpu_places(resources, visible_gpus(), count)
        self._environments: SimpleQueue[dict[str, str]] = SimpleQueue()
        for place in range(count):
            own = {"CUDA_VISIBLE_DEVICES": gpus[place]} if gpus else {}
            self._environments.put({**resources.environment(len(gpus)), **own})
        self._stopped = Event()
        self._threads = ThreadPoolExecutor(count, "run")

    def submit(self, step: Step) -> Future[Outcome]:
        """Hand it to a thread."""
        return self._threads.submit(self._run, step)

    def _run(self, step: Step) -> Outcome:
        environment = self._environments.get()
        try:
            if self._stopped.is_set():
                raise StoppedError
            start = partial(launch, environment=environment, stopped=self._stopped.is_set)
            return attempt(lambda: step.run(start))
        finally:
            self._environments.put(environment)

    def stop(self) -> None:
        """Kill what runs, forget what waits.

        Who has all environments back knows that nothing runs: a thread that Ctrl-C met while it was
        started is none that ``shutdown`` waits for.
        """
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)
        for environment in [self._environments.get() for _ in range(self._count)]:
            self._environments.put(environment)
