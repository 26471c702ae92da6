"""Several runs at a time: their order, their end, and what they may take of the machine."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from monai_cobot.comparison import local_jobs
from monai_cobot.comparison.comparing import Comparison
from monai_cobot.comparison.local_jobs import LocalJobs
from monai_cobot.comparison.plan_file import load_plan
from monai_cobot.comparison.processes import StoppedError, launch
from monai_cobot.comparison.report import write_report
from monai_cobot.comparison.resources import Resources, gpu_places, visible_gpus
from monai_cobot.comparison.results import BrokenRunError
from monai_cobot.errors import CobotError
from tests.bundle.conftest import ADOME
from tests.comparison.conftest import WritePlan
from tests.comparison.left_by_runs import FakeBundle, leave_results, read_command

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
SOON = 20.0  # seconds, on a machine that is busy


def two_jobs() -> LocalJobs:
    return LocalJobs(2, Resources())


class Watched:
    """Stands for the processes, and writes down when each begins and ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, str]] = []
        self.at_once = self.most = 0
        self.broken = ""
        self.lock = threading.Lock()
        monkeypatch.setattr(local_jobs, "launch", self.run)

    def run(self, command: Sequence[str], log: Path, **options: object) -> int:
        files, ids = read_command(command)
        kind = "evaluation" if files[1].name == "evaluate.yaml" else "training"
        name = f"{kind} {'/'.join(Path(ids['output_dir']).parts[-4:])}"
        with self.lock:
            self.events.append(("begin", name))
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(0.05)
        if self.broken and self.broken in name:
            log.write_text("Traceback\nMemoryError: no room\n")
            code = 1
        else:
            code = leave_results(command, log)
        with self.lock:
            self.at_once -= 1
            self.events.append(("end", name))
        return code

    def places(self, event: str, word: str) -> list[int]:
        """When something happened, by its place in the order of all."""
        return [place for place, (what, name) in enumerate(self.events)
                if what == event and word in name]  # fmt: skip


def test_two_run_at_once_and_the_order_holds(
    write_plan: WritePlan, phantoms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    place = {"bundle": str(ADOME), "dataset_dir": str(phantoms)}
    datasets = [{**place, "name": "A"}, {**place, "name": "B"}]
    plan = load_plan(write_plan(seeds=[4, 5], datasets=datasets))
    lines: list[str] = []
    comparison = Comparison(plan, lines.append, jobs=two_jobs)
    compared = comparison.run()
    assert watched.most == 2
    assert len(watched.events) == 2 * comparison.total == 2 * 22
    assert lines[-1].startswith("[22/22] ")
    assert max(watched.places("end", "training")) < min(watched.places("begin", "evaluation"))
    for data in "AB":
        for method in ("decoder_only", "LoRA_orchestration"):
            trials = watched.places("end", f"training {data}/{method}/trials/")
            (seed,) = watched.places("begin", f"/{data}/{method}/seed_5")[:1]
            assert len(trials) == 2
            assert max(trials) < seed
    again = Comparison(plan).run()  # one by one: all is kept
    assert len(watched.events) == 2 * 22
    for name in ("trials", "trained", "evaluated"):
        assert [*getattr(again, name)] == [*getattr(compared, name)]
    for one, other in zip(write_report(plan, again), write_report(plan, compared), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_broken_run_is_named_and_the_same_command_runs_it_alone(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    watched.broken = "decoder_only/trials/lr_0.001"
    plan = load_plan(write_plan())
    compared = Comparison(plan, jobs=two_jobs).run()
    (said,) = compared.broken
    assert said.startswith("ADOME, decoder only, lr 0.001, seed 0: MemoryError: no room (see ")
    assert compared.withheld
    assert not watched.places("begin", "evaluation")
    watched.broken = ""
    watched.events.clear()
    compared = Comparison(plan, jobs=two_jobs).run()
    assert compared.broken == []
    assert len(watched.places("begin", "training")) == 1
    assert len(watched.places("begin", "evaluation")) == 3


def test_ctrl_c_ends_the_processes_and_the_same_command_goes_on(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        local_jobs, "launch", lambda command, log, **options: launch(SLEEP, log, **options)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    plan = load_plan(write_plan())
    logs = plan.out / "ADOME"
    try:
        threading.Thread(target=interrupt_when, args=(logs, 2)).start()
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            Comparison(plan, jobs=two_jobs).run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 60
    assert children_that_sleep() == []
    assert len(list(logs.rglob("*.log"))) == 2  # the other two were not begun
    bundle = FakeBundle(monkeypatch)
    assert Comparison(plan, jobs=two_jobs).run().broken == []
    assert len(bundle.started) == 7


def test_a_thread_that_is_not_waited_for_leaves_no_process(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that Ctrl-C met in ``submit``, before the pool had noted it."""
    monkeypatch.setattr(
        local_jobs, "launch", lambda command, log, **options: launch(SLEEP, log, **options)
    )
    shutdown = ThreadPoolExecutor.shutdown
    monkeypatch.setattr(
        ThreadPoolExecutor, "shutdown", lambda pool, **how: shutdown(pool, wait=False, **how)
    )
    plan = load_plan(write_plan())
    study = Comparison(plan).compared.studies[0]
    method = plan.methods[0]
    jobs = two_jobs()
    jobs.submit(study.training(method, study.rates[method.name][0], 0))
    until = time.monotonic() + SOON
    while not children_that_sleep() and time.monotonic() < until:
        time.sleep(0.01)
    assert len(children_that_sleep()) == 1
    jobs.stop()
    assert children_that_sleep() == []


def interrupt_when(folder: Path, logs: int) -> None:
    """Ctrl-C as soon as so many runs have begun, in this thread: it wakes no blocked call there."""
    until = time.monotonic() + SOON
    while len(list(folder.rglob("*.log"))) < logs and time.monotonic() < until:
        time.sleep(0.05)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)


def read(file: Path) -> list[str]:
    """Words of a file of a task, which may have ended meanwhile."""
    try:
        return file.read_text().split()
    except FileNotFoundError:
        return []


def children_that_sleep() -> list[int]:
    listed = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    if not listed.is_file():
        pytest.skip("this system does not list a process's children")
    found = [
        int(pid) for task in Path("/proc/self/task").iterdir() for pid in read(task / "children")
    ]
    return [
        pid for pid in found if "time.sleep(60)" in " ".join(read(Path(f"/proc/{pid}/cmdline")))
    ]


def test_process_has_its_variables_and_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("before\n")
    say = [sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS']); exit(3)"]
    assert launch(say, log, Resources(cpus=7).environment(1.0)) == 3
    assert log.read_text() == "before\n7\n"
    asked: list[float] = []

    def stopped() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 2

    with pytest.raises(StoppedError):
        launch(SLEEP, log, stopped=stopped)
    assert asked[-1] - asked[0] < SOON


def test_gpus_are_dealt_out() -> None:
    assert gpu_places(Resources(), ["0", "1"], 2) == ["0", "1"]
    assert gpu_places(Resources(gpus=0.5), ["0", "1"], 3) == ["0", "1", "0"]
    assert gpu_places(Resources(gpus=1 / 3), ["GPU-a"], 3) == ["GPU-a"] * 3
    assert gpu_places(Resources(gpus=0), ["0"], 9) == []
    assert gpu_places(Resources(), [], 9) == []
    with pytest.raises(CobotError, match=r"--jobs 3, but the GPUs here \(2\) are enough for 2"):
        gpu_places(Resources(), ["0", "1"], 3)
    with pytest.raises(CobotError, match=r"the GPUs here \(0\) are enough for 0"):
        gpu_places(Resources(gpus=1), [], 1)
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2,5"}) == ["2", "5"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert Resources().environment(0)["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in Resources().environment(0.5)
    with pytest.raises(CobotError, match="--jobs 0"):
        LocalJobs(0, Resources())


@pytest.mark.parametrize("resources", [{"gpus": 2}, {"cpus": 0}, {"cpus": 1.5}, {"memory": 8}])
def test_resources_that_no_job_has_are_refused(
    write_plan: WritePlan, resources: dict[str, float]
) -> None:
    with pytest.raises(CobotError, match="not understood at resources"):
        load_plan(write_plan(resources=resources))


def test_resources_are_read(write_plan: WritePlan) -> None:
    assert load_plan(write_plan()).resources == Resources(1, None)
    given = load_plan(write_plan(resources={"cpus": 4, "gpus": 0.5}))
    assert given.resources == Resources(4, 0.5)


def test_training_that_was_stopped_after_its_end_is_not_made_again(
    write_plan: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the bundle's last word and the comparison's: the bundle would refuse."""
    plan = load_plan(write_plan(methods=["lightweight"]))
    study = Comparison(plan).compared.studies[0]
    first, second = (study.training(plan.methods[0], rates, 0) for rates in
                     study.rates["decoder only"])  # fmt: skip

    def stop_after(command: Sequence[str], log: Path) -> int:
        leave_results(command, log)
        folder = Path(read_command(command)[1]["output_dir"])
        (folder / "run.json").write_text('{"status": "finished"}')
        raise KeyboardInterrupt

    def refuse(command: Sequence[str], log: Path) -> int:
        log.write_text("error: the run is finished\n")
        return 1

    for step in (first, second):
        with pytest.raises(KeyboardInterrupt):
            step.run(stop_after)
        assert not step.beside("json").exists()
    assert first.run(refuse)
    assert first.finished()
    assert not first.beside("begun.json").exists()
    other = replace(second, data={**second.data, "seen_sha256": "another"})
    with pytest.raises(BrokenRunError, match="the run is finished"):
        other.run(refuse)
