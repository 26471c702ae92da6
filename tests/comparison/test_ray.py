"""The same as jobs of Ray: a local one, with processes that are played."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from monai_cobot.comparison import ray_jobs, remote
from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.jobs import Outcome
from monai_cobot.comparison.plan import Plan
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.processes import launch
from monai_cobot.comparison.ray_jobs import RayJobs
from monai_cobot.comparison.remote import Place
from monai_cobot.comparison.report import write_report
from monai_cobot.comparison.resources import Resources
from monai_cobot.comparison.steps import Step
from monai_cobot.errors import CobotError
from tests.comparison.conftest import WritePlan
from tests.comparison.left_by_runs import FakeBundle, leave_results, read_command

ray = pytest.importorskip("ray", reason="needs the extra `ray`")
SOON = 30.0  # seconds, on a machine that is busy


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray of two CPUs on this machine.

    Its processes inherit whether Ctrl-C is ignored, as by what a shell runs in the background.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    signal.signal(signal.SIGINT, before)


def play(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
    """A process: says where it was, and leaves results."""
    log.write_text(f"{os.getpid()} {environment['OMP_NUM_THREADS']}\n")
    if "lr_0.001" in read_command(command)[1]["output_dir"] and (log.parent / "break").exists():
        log.write_text("MemoryError: no room\n")
        return 1
    return leave_results(command, log)


def sleep(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
    """A process that says its number and does not end."""
    say = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    return launch([sys.executable, "-c", say], log, environment)


def play_there(step: Step, place: Place, environment: Mapping[str, str]) -> Outcome:
    """The job, in a process of Ray's."""
    remote.launch = play
    return remote.run_there(step, place, environment)


def sleep_there(step: Step, place: Place, environment: Mapping[str, str]) -> Outcome:
    remote.launch = sleep
    return remote.run_there(step, place, environment)


def die_there(step: Step, place: Place, environment: Mapping[str, str]) -> Outcome:
    os._exit(1)


def jobs_of(plan: Plan, resources: Resources | None = None) -> partial[RayJobs]:
    return partial(RayJobs, "local", resources or plan.resources, plan.out)


@pytest.mark.slow  # Ray's own processes take ten seconds to begin
def test_jobs_are_kept_and_broken_ones_named(
    cluster: None, write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_jobs, "run_there", play_there)
    plan = load_plan(write_plan(seeds=[4, 5]))
    spoiled = plan.out / "ADOME/decoder_only/trials/break"
    spoiled.parent.mkdir(parents=True)
    spoiled.touch()
    compared = Comparison(plan, jobs=jobs_of(plan)).run()
    (said,) = compared.broken
    assert said.startswith("ADOME, decoder only, lr 0.001, seed 4: MemoryError: no room (see ")
    assert not list(plan.out.rglob("*.evaluation.json"))
    assert not (plan.out / remote.MARKER).exists()
    spoiled.unlink()
    lines: list[str] = []
    compared = Comparison(plan, lines.append, jobs=jobs_of(plan)).run()
    assert compared.broken == []
    assert sum(line.endswith(": kept") for line in lines) == 4  # of six trainings
    assert len(lines) == 11
    logs = [file.read_text().split() for file in plan.out.rglob("*.log")]
    assert str(os.getpid()) not in {pid for pid, _ in logs}
    assert {threads for _, threads in logs} == {"1"}
    here = FakeBundle(monkeypatch)
    again = Comparison(plan).run()  # one by one: all is kept
    assert here.started == []
    for one, other in zip(write_report(plan, again), write_report(plan, compared), strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_ctrl_c_ends_the_processes_of_the_jobs(
    cluster: None, write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_jobs, "run_there", sleep_there)
    plan = load_plan(write_plan())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt_when, args=(plan.out, 2)).start()
        with pytest.raises(KeyboardInterrupt):
            Comparison(plan, jobs=jobs_of(plan)).run()
    finally:
        signal.signal(signal.SIGINT, before)
    pids = said_by(plan.out)
    assert len(pids) == 2
    until = time.monotonic() + SOON
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, pids))
    bundle = FakeBundle(monkeypatch)
    assert Comparison(plan).run().broken == []
    assert len(bundle.started) == 7


def said_by(folder: Path) -> list[int]:
    return [int(file.read_text()) for file in folder.rglob("*.log") if file.read_text().strip()]


def interrupt_when(folder: Path, processes: int) -> None:
    """Ctrl-C as soon as so many processes have said their number."""
    until = time.monotonic() + SOON
    while len(said_by(folder)) < processes and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.is_file() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.slow
def test_what_ray_cannot_do_is_named(
    cluster: None, write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_jobs, "run_there", die_there)
    plan = load_plan(write_plan(methods=["lightweight"]))
    broken = Comparison(plan, jobs=jobs_of(plan)).run().broken
    assert len(broken) == 2
    assert all("its Ray job failed: " in said for said in broken)
    for resources in (Resources(cpus=3), Resources(gpus=1)):
        with pytest.raises(CobotError, match=r"no machine of the Ray cluster has . CPUs and ."):
            jobs_of(plan, resources)()
    assert not (plan.out / remote.MARKER).exists()


def test_machine_that_does_not_see_the_files_is_refused(
    write_plan: WritePlan, tmp_path: Path
) -> None:
    plan = load_plan(write_plan())
    study = Comparison(plan).compared.studies[0]
    step = study.training(plan.methods[0], study.rates["decoder only"][0], 0)
    place = replace(Place.mark(plan.out, "token"), host="first")
    step.folder.mkdir(parents=True)
    assert (plan.out / remote.MARKER).read_text() == "token\n"

    def said(step: Step, place: Place) -> str:
        return remote.run_there(step, place, {}).broken or ""

    shared = r"does not see {} of first: out, data, bundles and weights have to lie on a file"
    for wrong in (replace(place, token="other"), replace(place, out=tmp_path / "nowhere")):
        assert shared.format(wrong.out) in said(step, wrong)
    for key in ("dataset_dir", "split_file", "sam_checkpoint"):
        nowhere = str(tmp_path / "nowhere")
        assert shared.format(nowhere) in said(replace(step, ids={**step.ids, key: nowhere}), place)
    configs = (tmp_path / "train.yaml", *step.configs)
    assert shared.format(configs[0]) in said(replace(step, configs=configs), place)
    assert "install the same version on all machines" in said(step, replace(place, version="0"))


def test_the_package_may_lie_elsewhere(
    write_plan: WritePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = load_plan(write_plan())
    study = Comparison(plan).compared.studies[0]
    step = study.training(plan.methods[0], study.rates["decoder only"][0], 0)
    elsewhere = tmp_path / "site-packages" / "monai_cobot"
    place = replace(Place.mark(plan.out, "token"), package=elsewhere)
    configs = (step.configs[0], elsewhere / "comparison" / "training.yaml")
    monkeypatch.setattr(remote, "launch", play)
    assert remote.run_there(
        replace(step, configs=configs), place, {"OMP_NUM_THREADS": "1"}
    ) == Outcome(True)
    assert step.finished()
