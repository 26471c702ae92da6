"""Every method, trained and evaluated as a bundle."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from monai_cobot import peft
from monai_cobot.sam import build_from_adapter, load_base
from tests.bundle.conftest import ADOME, FAST, Run, run_bundle

QUICK = [("bitfit", True), ("vpt", False)]
VARIANTS = [
    pytest.param(name, orchestrate, marks=[] if (name, orchestrate) in QUICK else pytest.mark.slow)
    for name in peft.names()
    for orchestrate in (False, True)
    if name not in ("freeze", "lora", "adaptformer")  # other tests train these
    and (peft.get(name).orchestratable or not orchestrate)
]


@pytest.mark.parametrize(("method", "orchestrate"), VARIANTS)
def test_trains_and_evaluates(
    cohort: Path, train: Run, tmp_path: Path, method: str, orchestrate: bool
) -> None:
    ids = {**FAST, "method": method, "orchestrate": orchestrate, "lr": 1e-4}
    train(tmp_path / "run", **ids)
    file = tmp_path / "run" / "checkpoints" / "adapter_last.safetensors"
    model, (base, _) = build_from_adapter(file), load_base("small", "random", 64)
    picture = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        embedding, untrained = model.sam.image_encoder(picture), base.image_encoder(picture)
    assert embedding.isfinite().all()
    assert torch.equal(embedding, untrained) == (method == "lightweight")
    run_bundle(
        ADOME,
        "train",
        "evaluate",
        workflow_type="eval",
        dataset_dir=str(cohort),
        output_dir=str(tmp_path / "run"),
        **ids,
    )
    with (tmp_path / "run" / "metrics.csv").open() as rows:
        found = {(row["method"], row["orchestrate"]) for row in csv.DictReader(rows)}
    assert (method, str(orchestrate).lower()) in {(m, o.lower()) for m, o in found}
