"""What MONAI's model zoo asks of a bundle: metadata, exports, and several processes."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from monai.bundle import ConfigParser, ckpt_export, onnx_export, verify_metadata
from monai.data import load_net_with_metadata

from monai_cobot.data import datasets
from monai_cobot.sam import read_manifest
from tests.bundle.conftest import ADOME, ALL, COCO, FAST, NATURAL, code_of, run_bundle
from tests.bundle.small_data import small_data

SCHEMA = Path(__file__).with_name("metadata.schema.json")
# Other kernels in the exported graph, sums of some hundred terms in single precision.
TOLERANCE = 1e-4
# Two processes that wait for each other are stopped.
HANG_SECONDS = 300
IDS = {key: FAST[key] for key in ("sam", "sam_checkpoint", "image_size")}


def metadata_of(bundle: Path) -> dict[str, Any]:
    metadata: dict[str, Any] = json.loads((bundle / "configs" / "metadata.json").read_text())
    return metadata


def channels_of(bundle: Path) -> list[str]:
    """An image alone: all organs are asked for, or one box around everything."""
    if bundle in NATURAL:
        return ["the prompted object"]
    return list(datasets.get(code_of(bundle)).names)


@pytest.mark.parametrize("bundle", ALL, ids=code_of)
def test_metadata(bundle: Path) -> None:
    """MONAI's own command, with the schema in its place, and what no schema can know."""
    verify_metadata(meta_file=str(bundle / "configs" / "metadata.json"), filepath=str(SCHEMA))
    metadata, spec = metadata_of(bundle), datasets.get(code_of(bundle))
    channels = channels_of(bundle)
    assert metadata["version"] in metadata["changelog"]
    output = metadata["network_data_format"]["outputs"]["pred"]
    assert list(output["channel_def"].values()) == channels
    assert output["num_channels"] == len(channels)
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["modality"] == spec.modality


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), None),
        (("monai_version",), "newest"),
        (("optional_packages_version",), {"nibabel": "5"}),
        (("network_data_format", "outputs", "pred", "channel_def"), None),
        (("network_data_format", "inputs", "image", "num_channels"), "three"),
        (("network_data_format", "inputs", "image", "format"), "picture"),
    ],
)
def test_the_schema_refuses(path: tuple[str, ...], value: object) -> None:
    schema = json.loads(SCHEMA.read_text())
    broken = copy.deepcopy(metadata_of(ADOME))
    holder: dict[str, Any] = broken
    for step in path[:-1]:
        holder = holder[step]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def save_state(bundle: Path, file: Path) -> torch.nn.Module:
    """The bundle's network with weights away from their start, and its full state."""
    parser = ConfigParser(ConfigParser.load_config_file(str(bundle / "configs" / "train.yaml")))
    parser.update(IDS)
    network = parser.get_parsed_content("network_def").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.adapter_state().values():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), file)
    return network


def images(batch: int) -> torch.Tensor:
    return torch.randn(batch, 3, 64, 64, generator=torch.Generator().manual_seed(batch))


EXPORTED = [
    pytest.param(bundle, id=code_of(bundle), marks=[] if bundle == ADOME else pytest.mark.zoo)
    for bundle in ALL
]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("bundle", EXPORTED)
def test_ckpt_export(bundle: Path, tmp_path: Path) -> None:
    """Traced; the same answers for one image and for two."""
    network = save_state(bundle, tmp_path / "models" / "model.pt")
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "models" / "model.ts"),
        ckpt_file=str(tmp_path / "models" / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "inference.yaml"),
        use_trace=True,
        input_shape=[1, 3, 64, 64],
        bundle_root=str(bundle),
        checkpoint="none",  # the state is in ckpt_file
        **IDS,
    )
    exported, metadata, extra = load_net_with_metadata(
        str(tmp_path / "models" / "model.ts"), more_extra_files=("inference.json",)
    )
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert extra["inference.json"]
    for batch in (1, 2):
        with torch.no_grad():
            expected, found = network(images(batch)), exported(images(batch))
        assert found.shape == (batch, len(channels_of(bundle)), 64, 64)
        assert (found - expected).abs().max() < TOLERANCE


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("bundle", EXPORTED)
def test_onnx_export(bundle: Path, tmp_path: Path) -> None:
    """The same answers in onnxruntime, for one image and for two."""
    import onnxruntime

    network = save_state(bundle, tmp_path / "model.pt")
    onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(tmp_path / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=str(bundle / "configs" / "train.yaml"),
        use_trace=True,
        input_shape=[2, 3, 64, 64],
        converter_kwargs={
            "input_names": ["image"],
            "output_names": ["pred"],
            "dynamic_axes": {"image": {0: "batch"}, "pred": {0: "batch"}},
            "dynamo": False,
        },
        bundle_root=str(bundle),
        **IDS,
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for batch in (1, 2):
        with torch.no_grad():
            expected = network(images(batch))
        (found,) = session.run(None, {"image": images(batch).numpy()})
        assert (torch.from_numpy(found) - expected).abs().max() < TOLERANCE


def command_of(bundle: Path, *names: str, **ids: object) -> list[str]:
    """Two processes of the bundle's configs on the CPU."""
    configs = ",".join(f"'{bundle / 'configs' / f'{name}.yaml'}'" for name in names)
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
        *("-m", "monai.bundle", "run", "--config_file", f"[{configs}]"),
        *(part for key, value in {**FAST, **ids}.items() for part in (f"--{key}", str(value))),
    ]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def torchrun(command: list[str], cwd: Path) -> None:
    """Runs it, stopped where it hangs."""
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.zoo
@pytest.mark.timeout(2 * HANG_SECONDS)
@pytest.mark.parametrize("bundle", ALL, ids=code_of)
def test_two_processes_train_one_model(bundle: Path, tmp_path: Path) -> None:
    data = small_data(bundle, tmp_path)
    ids = {"dataset_dir": data, "output_dir": tmp_path / "run", "epochs": 1, "prompts": "both"}
    torchrun(command_of(bundle, "train", "multi_gpu_train", **ids), tmp_path)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "finished"
    manifest = read_manifest(tmp_path / "run" / "checkpoints" / "adapter_last.safetensors")
    assert manifest["prompts"] == "both"
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) in (1, 2)  # of one process


@pytest.mark.zoo
@pytest.mark.timeout(2 * HANG_SECONDS)
@pytest.mark.parametrize(
    ("bundle", "tested"), [(ADOME, 2), (ADOME, 3), (COCO, 2)], ids=["ADOME-2", "ADOME-3", "COCO-2"]
)
def test_two_processes_evaluate_as_one(bundle: Path, tested: int, tmp_path: Path) -> None:
    """Every test case once, also of an odd number; tables, maps and COCO's files to the byte."""
    data = small_data(bundle, tmp_path)
    own = {"coco_ap": "true"} if bundle == COCO else {}
    ids = {"dataset_dir": str(data), "output_dir": str(tmp_path / "one"), "epochs": 1, **FAST}
    if bundle == ADOME:  # of four patients
        names = sorted(file.name.removesuffix(".nii.gz") for file in (data / "labels").iterdir())
        split = {"training": names[tested:], "validation": [], "test": names[:tested]}
        (tmp_path / "split.json").write_text(json.dumps(split))
        ids["split_file"] = str(tmp_path / "split.json")
    run_bundle(bundle, "train", **ids)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    run_bundle(bundle, "train", "evaluate", **ids, **own)
    ids["output_dir"] = str(tmp_path / "two")
    torchrun(command_of(bundle, "train", "evaluate", "multi_gpu_evaluate", **ids, **own), tmp_path)
    names = [
        "metrics.csv",
        "metrics.json",
        *(["coco_results.json", "coco_truth.json"] if own else []),
    ]
    predictions = sorted(path.name for path in (tmp_path / "one" / "predictions").iterdir())
    assert len(predictions) == tested
    for name in (*names, *(f"predictions/{file}" for file in predictions)):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    figures = [
        sorted(p.name for p in (tmp_path / run / "figures").iterdir()) for run in ("one", "two")
    ]
    assert figures[0] == figures[1]


@pytest.mark.zoo
@pytest.mark.timeout(2 * HANG_SECONDS)
def test_a_killed_process_ends_the_other(tmp_path: Path) -> None:
    """Within a minute, with an error."""
    data = small_data(ADOME, tmp_path)
    ids = {"dataset_dir": data, "output_dir": tmp_path / "run", "epochs": 1000}
    command = command_of(ADOME, "train", "multi_gpu_train", **ids)
    started = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + HANG_SECONDS
        while not list((tmp_path / "run").glob("checkpoints/*")) and time.monotonic() < until:
            assert started.poll() is None
            time.sleep(0.5)
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        assert len(children) >= 2
        os.kill(int(children[-1]), signal.SIGKILL)
        _, errors = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode != 0
    assert b"SIGKILL" in errors or b"Signal 9" in errors
