"""Features on disk: known by all that they are made from, whole, and no change of any result."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss
from torch import Tensor

from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    CobotSAM,
    FeatureCache,
    LossNetwork,
    SAMSize,
    build_adapted_sam,
    build_random,
)
from monai_cobot.sam import feature_cache as module
from monai_cobot.sam.partial import embed_features, frozen_features
from tests.operators import Operators
from tests.sam.test_partial import BOXES, RELATIVE, build

MASKS = [torch.ones(2, 64, 64, dtype=torch.uint8), torch.zeros(1, 64, 64, dtype=torch.uint8)]


def pixels_of(count: int) -> list[Tensor]:
    return [torch.full((1, 9, 9), place, dtype=torch.uint8) for place in range(count)]


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def step(model: CobotSAM, images: Tensor, cache: FeatureCache | None) -> tuple[Tensor, list[Any]]:
    """A step's loss and gradients."""
    model.zero_grad()
    network = LossNetwork(model, DiceCELoss(sigmoid=True), features=cache)
    loss = network(images, BOXES, MASKS, pixels=pixels_of(2))
    loss.backward()
    return loss.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize(
    ("method", "last_blocks", "orchestrate", "blocks"),
    [
        ("lora", 2, True, 1),  # bottlenecks
        ("ssf", 2, True, 1),  # vectors
        ("lora", 1, False, 2),
        ("lightweight", None, False, 4),  # nothing in the encoder: the embeddings themselves
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("checkpoint_blocks", [False, True])
def test_a_step_is_the_same_one(
    tiny_size: SAMSize,
    images: Tensor,
    tmp_path: Path,
    method: str,
    last_blocks: int | None,
    orchestrate: bool,
    blocks: int,
    precision: str,
    checkpoint_blocks: bool,
) -> None:
    """To the bit, also in bfloat16, where heads made once a site would be rounded otherwise."""
    settings = {"precision": precision, "checkpoint_blocks": checkpoint_blocks}
    model = build(method, last_blocks, orchestrate=orchestrate, **settings).train()
    first_block: list[int] = []
    model.sam.image_encoder.blocks[0].register_forward_pre_hook(lambda *_: first_block.append(1))
    expected_loss, expected = step(model, images, None)
    cache = FeatureCache(tmp_path, model)
    assert cache.blocks == blocks
    for used, runs in ((cache, 1), (cache, 0), (FeatureCache(tmp_path, model), 0)):
        first_block.clear()
        loss, gradients = step(model, images, used)
        assert len(first_block) == runs
        assert torch.equal(loss, expected_loss)
        for gradient, wanted in zip(gradients, expected, strict=True):
            assert torch.equal(gradient, wanted)
        assert model.orchestrator is None or model.orchestrator.forward_cache.made is None
    assert len(files_of(tmp_path)) == 2


def test_heads_are_made_once_a_step(tiny_size: SAMSize, images: Tensor, tmp_path: Path) -> None:
    """A head has eight times a sign turned, whatever the number of sites."""
    counts = []
    model = build("lora", 2, orchestrate=True)
    cache = FeatureCache(tmp_path, model)
    cache.embeddings(images, pixels_of(2))
    for run in (
        lambda: model.sam.image_encoder(images),
        lambda: cache.embeddings(images, pixels_of(2)),
    ):
        with Operators() as operators:
            run()
        counts.append(operators.counts["aten.neg.default"])
    assert counts[0] == counts[1] > 0


def rebuilt(**changes: Any) -> CobotSAM:
    """A model that differs from another in what is given alone."""
    settings: dict[str, Any] = {"sam": "tiny", "sam_checkpoint": "random", "image_size": 64}
    return build_adapted_sam(**{**settings, "last_blocks": 1, **changes})


CHANGES: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 1),
    "method": ({"method": "ssf"}, 1),
    "attention": ({"attention": "tiled"}, 1),
    "weights": ({"sam_checkpoint": "another"}, 2),
    "size": ({"image_size": 96}, 2),
    "blocks": ({"last_blocks": 2}, 2),
    "precision": ({"precision": "bf16"}, 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_files_are_known_by_what_they_depend_on(
    tiny_size: SAMSize, tmp_path: Path, change: str
) -> None:
    """And by no more; the number of files is that of the two models' caches together."""
    settings, files = CHANGES[change]
    if "sam_checkpoint" in settings:
        settings = {"sam_checkpoint": tmp_path / "another.pth"}
        state = build_random(tiny_size, seed=77).state_dict()
        torch.save(state, settings["sam_checkpoint"])
    for model in (rebuilt(), rebuilt(**settings)):
        side = model.base.image_size
        image = torch.ones(1, 3, side, side)
        with torch.no_grad():
            found = FeatureCache(tmp_path / "cache", model).embeddings(image, pixels_of(1))
            expected = model.embed(image).embeddings
        torch.testing.assert_close(found, expected, rtol=RELATIVE, atol=RELATIVE)
    assert len(files_of(tmp_path / "cache")) == files


def test_files_are_known_by_pixels_and_their_shape(tiny_size: SAMSize, tmp_path: Path) -> None:
    """The same bytes, upright and lying, are two images."""
    cache = FeatureCache(tmp_path, rebuilt())
    ramp = torch.arange(36, dtype=torch.uint8)
    seen = [ramp.view(1, 4, 9), ramp.view(1, 9, 4), ramp.flip(0).view(1, 9, 4)]
    drawn = [
        torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(k)) for k in range(3)
    ]
    for _ in range(2):
        for image, pixels in zip(drawn, seen, strict=True):
            with torch.no_grad():
                found = cache.embeddings(image, [pixels])
                expected = cache.network.embed(image).embeddings
            torch.testing.assert_close(found, expected, rtol=RELATIVE, atol=RELATIVE)
    assert len(files_of(tmp_path)) == 3


def test_no_graph_below_and_inputs_alone_above(tiny_size: SAMSize, images: Tensor) -> None:
    """Frozen blocks keep nothing for backward; with checkpointing the others keep their input."""
    kept = []
    for again in (False, True):
        encoder = build("lora", 2, checkpoint_blocks=again).train().sam.image_encoder
        sizes: list[int] = []

        def keep(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            features = frozen_features(encoder, images.requires_grad_(), 1)
            assert not features.requires_grad
            assert sizes == []
            embed_features(encoder, features, 1).sum()
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


def overwrite(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        overwrite(b""),
        overwrite(b"x"),
        overwrite(b"PK\x03\x04 no archive"),
        lambda file: file.write_bytes(file.read_bytes()[:-10]),
        lambda file: np.save(file, np.zeros((3, 3), np.float32)),
        lambda file: np.save(file, np.zeros((16, 4, 4), np.int16)),
        lambda file: np.save(file, np.array([{}]), allow_pickle=True),
    ],
    ids=["empty", "a byte", "a zip's", "truncated", "shape", "type", "objects"],
)
def test_a_damaged_file_is_named(
    tiny_size: SAMSize, images: Tensor, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    cache = FeatureCache(tmp_path, rebuilt())
    expected = cache.embeddings(images[:1], pixels_of(1))
    (file,) = files_of(tmp_path)
    damage(file)
    with pytest.raises(CobotError, match=rf"{file.name} is damaged \(.*\): delete it"):
        cache.embeddings(images[:1], pixels_of(1))
    file.unlink()
    assert torch.equal(cache.embeddings(images[:1], pixels_of(1)), expected)


class FullDisk:
    """A file of NumPy's that ends after some bytes, as on a full disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[list[str]] = []
        monkeypatch.setattr(module.np, "save", self.save)

    def save(self, file: Any, array: Any) -> None:
        file.write(b"\x93NUMPY half")
        file.flush()
        self.seen.append([path.name for path in Path(file.name).parent.glob("[!.]*")])
        raise OSError(28, "No space left on device")


def test_a_full_disk_names_folder_size_and_remedy(
    tiny_size: SAMSize, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is written nobody sees the file, and nothing of it is left."""
    cache = FeatureCache(tmp_path, rebuilt())
    disk = FullDisk(monkeypatch)
    message = rf"feature_cache {tmp_path} cannot be written .*No space left.*0\.0 MB an image.*room"
    with pytest.raises(CobotError, match=message):
        cache.embeddings(images[:1], pixels_of(1))
    assert disk.seen == [[]]
    assert files_of(tmp_path) == []


def test_room_is_looked_at_before(
    tiny_size: SAMSize, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 kB an image of 4 x 4 tokens of 16 numbers; what is there already needs no room."""
    cache = FeatureCache(tmp_path, rebuilt())
    free = shutil.disk_usage(tmp_path)._replace(free=2500)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: free)
    cache.check_room(2)
    message = rf"feature_cache {tmp_path} needs 0\.0 MB more for 3 images .* are free: choose"
    with pytest.raises(CobotError, match=message):
        cache.check_room(3)
    cache.embeddings(images[:1], pixels_of(1))
    cache.check_room(3)
    (tmp_path / ".unfinished.0a.npy").write_bytes(bytes(5000))  # another process's, soon gone
    with pytest.raises(CobotError, match="for 4 images"):
        cache.check_room(4)


def test_what_cannot_be_a_cache(tiny_size: SAMSize, tmp_path: Path) -> None:
    with pytest.raises(CobotError, match="trains the first block, nothing stays the same"):
        FeatureCache(tmp_path, rebuilt(last_blocks=None))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CobotError, match=r"feature_cache .*file cannot be written .* choose"):
        FeatureCache(tmp_path / "file", rebuilt())
    for folder in ("/proc", "/proc/new"):  # there, but nothing can be made in it
        with pytest.raises(CobotError, match=r"feature_cache /proc.* cannot be written"):
            FeatureCache(Path(folder), rebuilt())


def fill(folder: Path, model: CobotSAM, answers: Any) -> None:
    """A process that goes through the same images as the others."""
    torch.set_num_threads(1)
    try:
        cache = FeatureCache(folder, model)
        for value in range(200):
            pixels = [torch.full((1, 9, 9), value, dtype=torch.uint8)]
            cache.embeddings(torch.full((1, 3, 64, 64), value / 200), pixels)
        answers.put("all")
    except BaseException as error:
        answers.put(repr(error))


@pytest.fixture
def processes() -> Iterator[list[Any]]:
    started: list[Any] = []
    yield started
    for process in started:
        process.join(60)
        process.terminate()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_two_processes_share_a_folder(tiny_size: SAMSize, tmp_path: Path, processes) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    model = rebuilt()
    for _ in range(2):
        processes.append(context.Process(target=fill, args=(tmp_path, model, answers)))
        processes[-1].start()
    assert [answers.get(timeout=120) for _ in range(2)] == ["all", "all"]
    assert len(files_of(tmp_path)) == 200
