"""Runs as jobs of a Ray cluster, on one machine or several (docs.ray.io)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from monai_cobot.comparison.jobs import Jobs, Outcome
from monai_cobot.comparison.remote import Place, run_there
from monai_cobot.comparison.resources import Resources
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError

STOP_SECONDS = 20.0
"""So long jobs are waited for that are to end their processes."""


class RayJobs(Jobs):
    """Hands each step to Ray, which starts it where a machine has room.

    Args:
        address: ``local`` for a Ray of its own on this machine, ``auto`` for the one that runs
            here, or ``HOST:PORT``.
        resources: of each job.
        out: folder of the comparison, which all machines have to see.

    Raises:
        CobotError: Ray is not installed or not there, no machine is large enough, or ``out`` cannot
            be written.
    """

    parallel = True

    def __init__(self, address: str, resources: Resources, out: Path) -> None:
        self._ray = import_ray()
        self._place = Place.mark(out, uuid.uuid4().hex)
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, address)
        self._jobs: dict[Any, Step] = {}
        try:
            gpus = resources.gpus_of(self._ray.cluster_resources().get("GPU", 0.0))
            _check_room(self._ray.nodes(), resources.cpus, gpus)
        except CobotError:
            self.__exit__(None, None, None)
            raise
        self._environment = resources.environment(gpus)
        # Ray's own second try would begin while a machine that was cut off may still write.
        self._remote = self._ray.remote(num_cpus=resources.cpus, num_gpus=gpus, max_retries=0)(
            run_there
        )

    def submit(self, step: Step) -> Future[Outcome]:
        """Queue it."""
        job = self._remote.options(name=step.name).remote(step, self._place, self._environment)
        self._jobs[job] = step
        done: Future[Outcome] = Future()
        job.future().add_done_callback(lambda found: self._pass_on(job, found, done))
        return done

    def _pass_on(self, job: Any, found: Future[Outcome], done: Future[Outcome]) -> None:
        """What Ray itself could not do is a broken run; called in a thread of Ray's."""
        self._jobs.pop(job, None)
        error = found.exception()
        if error is None:
            done.set_result(found.result())
        else:
            said = str(error).strip() or type(error).__name__
            done.set_result(Outcome(False, f"its Ray job failed: {said.splitlines()[-1]}"))

    def stop(self) -> None:
        """Cancel what runs or waits, and wait until the processes have ended."""
        jobs = list(self._jobs)
        for job in jobs:
            self._ray.cancel(job, force=False)
        if jobs:
            self._ray.wait(jobs, num_returns=len(jobs), timeout=STOP_SECONDS, fetch_local=False)
        self._place.marker.unlink(missing_ok=True)
        if self._own:
            self._ray.shutdown()


def import_ray() -> ModuleType:
    """Ray, which is an extra.

    Raises:
        CobotError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise CobotError(
            "--ray needs Ray: pip install 'monai-cobot[ray]', or use --jobs on this machine"
        ) from None
    return ray  # type: ignore[no-any-return]


def _connect(ray: ModuleType, address: str) -> None:
    # A Ray of its own reports nothing home and needs no page.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        with suppress(Exception):
            ray.shutdown()
        raise CobotError(
            f"no Ray cluster at {address!r} ({error}): start one with `ray start --head`, check "
            "the address, or give --ray local"
        ) from None


def _check_room(nodes: list[Mapping[str, Any]], cpus: int, gpus: float) -> None:
    """Ray would wait for ever for a machine that is not there."""
    there = [node["Resources"] for node in nodes if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in there):
        most = ", ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in there)
        raise CobotError(
            f"no machine of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs for a job (there: "
            f"{most}): lower resources in the YAML, or start a larger machine"
        )
