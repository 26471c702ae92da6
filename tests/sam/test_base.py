"""SAM's weights: found, checked, hashed, brought to another input size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from segment_anything import sam_model_registry

from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    SIZES,
    SAMSize,
    build_architecture,
    build_random,
    get_size,
    hash_weights,
    load_base,
)
from monai_cobot.sam.positions import interpolate_positions


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_official_sizes_have_the_keys_and_shapes_of_segment_anything(name: str) -> None:
    with torch.device("meta"):
        ours = build_architecture(get_size(name)).state_dict()
        stock = sam_model_registry[name]().state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in stock.items()}


def test_official_checkpoint_is_loaded_at_another_input_size(tmp_path: Path) -> None:
    state = build_random(SIZES["vit_b"], seed=4).state_dict()
    file = tmp_path / "sam_vit_b.pth"
    torch.save(state, file)
    full, base_full = load_base("vit_b", file)
    half, base_half = load_base("vit_b", file, 512)
    assert base_full.sha256 == base_half.sha256 == hash_weights(state)
    assert base_half.image_size == 512
    for key, value in full.state_dict().items():
        assert torch.equal(value, state[key])
    moved = {k for k, v in half.state_dict().items() if v.shape != state[k].shape}
    globals_ = {f"image_encoder.blocks.{b}.attn.rel_pos_{a}" for b in (2, 5, 8, 11) for a in "hw"}
    assert moved == {"image_encoder.pos_embed", *globals_}
    assert half.state_dict()["image_encoder.blocks.2.attn.rel_pos_h"].shape == (63, 64)


def test_interpolated_tables_keep_constants_and_ramps() -> None:
    ramp = torch.linspace(-1, 1, 127)[:, None].expand(127, 2).contiguous()
    source = {
        "image_encoder.pos_embed": torch.full((1, 8, 8, 3), 0.7),
        "image_encoder.blocks.0.attn.rel_pos_h": ramp,
        "mask_decoder.rel_pos_h": ramp,
    }
    target = {
        "image_encoder.pos_embed": torch.empty(1, 4, 4, 3),
        "image_encoder.blocks.0.attn.rel_pos_h": torch.empty(63, 2),
        "mask_decoder.rel_pos_h": torch.empty(63, 2),
    }
    result = interpolate_positions(source, target)
    torch.testing.assert_close(result["image_encoder.pos_embed"], torch.full((1, 4, 4, 3), 0.7))
    table = result["image_encoder.blocks.0.attn.rel_pos_h"]
    assert table.shape == (63, 2)
    # A ramp stays odd and nearly linear under linear resizing: the middle offset stays at zero.
    assert abs(float(table[31, 0])) < 1e-6
    torch.testing.assert_close(table, -table.flip(0), atol=1e-6, rtol=0)
    assert result["mask_decoder.rel_pos_h"] is ramp


def test_interpolation_matches_what_stock_does_at_run_time(tiny_size: SAMSize) -> None:
    """get_rel_pos of segment-anything resizes the same table when the sizes do not fit."""
    from segment_anything.modeling.image_encoder import get_rel_pos

    table = torch.randn(127, 8)
    key = "image_encoder.blocks.0.attn.rel_pos_h"
    ours = interpolate_positions({key: table}, {key: torch.empty(63, 8)})[key]
    assert torch.equal(get_rel_pos(32, 32, table), get_rel_pos(32, 32, ours))


def test_pixel_statistics_are_the_transforms(tiny_size: SAMSize) -> None:
    """Slices are normalised by the transforms; SAM's own buffers have to say the same."""
    from monai_cobot.transforms.frame import PIXEL_MEAN, PIXEL_STD

    sam, _ = load_base("tiny")
    assert sam.pixel_mean.flatten().tolist() == pytest.approx(PIXEL_MEAN)
    assert sam.pixel_std.flatten().tolist() == pytest.approx(PIXEL_STD)


def test_random_weights_depend_on_the_seed_alone(tiny_size: SAMSize) -> None:
    torch.manual_seed(0)
    first, identity = load_base("tiny")
    torch.manual_seed(99)
    second, again = load_base("tiny", "random")
    assert identity == again
    assert identity.weights == "random"
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert float(first.image_encoder.pos_embed.detach().std()) > 0


def test_hash_sees_key_shape_dtype_and_bytes() -> None:
    state = {"a": torch.zeros(2, 3), "b": torch.ones(2)}
    hashes = {
        hash_weights(state),
        hash_weights({"a": torch.zeros(3, 2), "b": torch.ones(2)}),
        hash_weights({"c": torch.zeros(2, 3), "b": torch.ones(2)}),
        hash_weights({"a": torch.zeros(2, 3).double(), "b": torch.ones(2)}),
        hash_weights({"a": torch.zeros(2, 3), "b": torch.tensor([1.0, 1.0000001])}),
    }
    assert len(hashes) == 5
    assert hash_weights(dict(reversed(state.items()))) == hash_weights(state)


def test_safetensors_are_read_too(tmp_path: Path, tiny_size: SAMSize) -> None:
    sam = build_random(tiny_size, seed=5)
    save_file(sam.state_dict(), tmp_path / "tiny.safetensors")
    _, identity = load_base("tiny", tmp_path / "tiny.safetensors")
    assert identity.sha256 == hash_weights(sam.state_dict())


def test_official_size_without_weights_names_the_command() -> None:
    with pytest.raises(CobotError, match="monai-cobot fetch-sam vit_b"):
        load_base("vit_b")


def test_unknown_size_lists_the_known() -> None:
    with pytest.raises(CobotError, match=r"unknown SAM size 'vit_x': choose one of vit_b"):
        load_base("vit_x")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CobotError, match=r"no SAM checkpoint at .*gone\.pth"):
        load_base("vit_b", tmp_path / "gone.pth")


@pytest.mark.parametrize("content", [b"", b"hello, this is no checkpoint", b"PK\x03\x04broken"])
@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_not_a_checkpoint(tmp_path: Path, tiny_size: SAMSize, content: bytes, ending: str) -> None:
    file = tmp_path / f"text.{ending}"
    file.write_bytes(content)
    with pytest.raises(CobotError, match=rf"text\.{ending} is not a checkpoint"):
        load_base("tiny", file)


def test_checkpoint_of_other_objects(tmp_path: Path, tiny_size: SAMSize) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "wrapped.pth")
    with pytest.raises(CobotError, match="holds no plain dictionary of tensors"):
        load_base("tiny", tmp_path / "wrapped.pth")


def test_checkpoint_of_another_size_is_recognised(tmp_path: Path, tiny_size: SAMSize) -> None:
    torch.save(build_random(tiny_size, seed=0).state_dict(), tmp_path / "tiny.pth")
    with pytest.raises(CobotError, match=r"does not fit sam: small .* set sam: tiny"):
        load_base("small", tmp_path / "tiny.pth")


def test_checkpoint_without_a_key(tmp_path: Path, tiny_size: SAMSize) -> None:
    state = build_random(tiny_size, seed=0).state_dict()
    del state["image_encoder.neck.0.weight"]
    torch.save(state, tmp_path / "tiny.pth")
    with pytest.raises(CobotError, match=r"1 keys missing, as image_encoder\.neck\.0\.weight"):
        load_base("tiny", tmp_path / "tiny.pth")


@pytest.mark.parametrize("side", [0, 8, 250, 64.5, "abc"])
def test_image_size_must_fit_the_patches(tiny_size: SAMSize, side: object) -> None:
    with pytest.raises(CobotError, match="not a multiple of the patch size 16"):
        load_base("tiny", image_size=side)  # type: ignore[arg-type]
