"""The fast attention against segment-anything's own."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from segment_anything.modeling.image_encoder import get_rel_pos
from torch import Tensor, nn

from monai_cobot import peft
from monai_cobot.bundle import build_for_inference
from monai_cobot.errors import CobotError
from monai_cobot.sam import (
    SIZES,
    build_adapted_sam,
    build_architecture,
    build_from_adapter,
    load_base,
    make_manifest,
    save_adapter,
    speed_up,
    tiled_attention,
)
from monai_cobot.sam.attention import FastAttention, FastBlock, position_table
from monai_cobot.sam.encoder import CheckpointedEncoder
from tests.operators import Operators
from tests.peft.expected import VIT_B
from tests.peft.models import Model, image, randomise, small_encoder
from tests.sam.encoders import Answer, answer, difference, encoder, images

# Relative to the largest value. In double precision it is the formula that is compared; in single
# the bounds are those that issue and documentation name, rounding stays below a tenth of them.
EXACT = 1e-10
OUTPUT, GRADIENT = 1e-5, 1e-4
# Autocast rounds to 8 bits wherever it is; the fast form may be as far from the truth as stock is.
AS_FAR = 1.5

FORMS = ("tiled", "folded")
forms = pytest.mark.parametrize("attention", FORMS)


def assert_same(actual: Answer, expected: Answer, output: float, gradient: float) -> None:
    assert difference(actual.embeddings, expected.embeddings) < output
    assert actual.gradients.keys() == expected.gradients.keys()
    for name, value in expected.gradients.items():
        assert difference(actual.gradients[name], value) < gradient, name


@forms
@pytest.mark.parametrize(
    ("side", "window"),
    [(64, 14), (256, 14), (224, 14), (256, 8), (176, 5)],
    ids=["one padded window", "2 tokens at the edge", "no padding", "small SAM", "one at the edge"],
)
def test_exact_in_double_precision(attention: str, side: int, window: int) -> None:
    expected = answer(encoder(side, window=window), images(side))
    actual = answer(encoder(side, attention, window=window), images(side))
    assert_same(actual, expected, EXACT, EXACT)


@forms
@pytest.mark.parametrize(("side", "heads"), [(256, 12), (512, 3), (1024, 1)])
def test_close_in_single_precision_at_vit_b_s_grids(attention: str, side: int, heads: int) -> None:
    geometry: dict[str, Any] = {"heads": heads, "features": 64, "dtype": torch.float32}
    picture = images(side, 1, torch.float32)
    expected, fast = encoder(side, **geometry), encoder(side, attention, **geometry)
    for warm in (expected, fast):
        with torch.no_grad():
            warm(picture)
    assert_same(answer(fast, picture), answer(expected, picture), OUTPUT, GRADIENT)


@pytest.mark.parametrize("tile", [1, 300, 5000])
def test_the_size_of_a_tile_changes_nothing(monkeypatch: pytest.MonkeyPatch, tile: int) -> None:
    expected = answer(encoder(256), images(256))
    monkeypatch.setattr(tiled_attention, "TILE", tile * 20)
    assert_same(answer(encoder(256, "tiled"), images(256)), expected, EXACT, EXACT)


@forms
@pytest.mark.parametrize(("method", "orchestrate"), [case for case in VIT_B if VIT_B[case]])
def test_every_method_goes_along(attention: str, method: str, orchestrate: bool) -> None:
    fast = small_encoder()
    speed_up(fast, attention)
    found = []
    for base in (small_encoder(), fast):
        torch.manual_seed(0)
        model = Model(method, orchestrate, base).eval()
        model.randomise_own()
        own = {name.replace(".", "_"): value for name, value in model.own().items()}
        found.append(answer(model, image(), **own))
    assert_same(found[1], found[0], EXACT, EXACT)


def test_the_side_network_of_lst_is_fast_too() -> None:
    fast = small_encoder()
    speed_up(fast, "tiled")
    model = Model("lst", False, fast)
    assert {type(rung.rung.block) for rung in model.encoder.blocks} == {FastBlock}  # type: ignore[union-attr]


@forms
def test_autocast_rounds_no_more_than_stock(attention: str) -> None:
    geometry: dict[str, Any] = {"features": 32, "dtype": torch.float32}
    truth = answer(encoder(256, features=32), images(256))
    errors = {}
    for name in ("stock", attention):
        with torch.autocast("cpu", torch.bfloat16):
            found = answer(encoder(256, name, **geometry), images(256, dtype=torch.float32))
        errors[name] = [difference(found.embeddings.double(), truth.embeddings)]
        shared = [(found.gradients[key], truth.gradients[key]) for key in truth.gradients]
        errors[name] += [max(difference(a.double(), b) for a, b in shared)]
    assert errors[attention][0] < AS_FAR * errors["stock"][0]
    assert errors[attention][1] < AS_FAR * errors["stock"][1]


def _kept(model: nn.Module, picture: Tensor) -> list[int]:
    """Numbers of values of the tensors that a forward makes and keeps for backward."""
    own = {tensor.data_ptr() for tensor in (picture, *model.parameters())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        embeddings = model(picture)  # kept alive, so that no storage is used twice
    assert embeddings.requires_grad
    return list(kept.values())


def test_no_scores_are_kept() -> None:
    scores = 2 * (512 // 16) ** 4
    assert scores in _kept(encoder(512), images(512, 1))
    assert max(_kept(encoder(512, "tiled"), images(512, 1))) < scores / 10


@pytest.mark.parametrize("attention", ["stock", *FORMS])
def test_checkpointing_keeps_results_and_no_activations(attention: str) -> None:
    expected, less = encoder(256, attention), encoder(256)
    speed_up(less, attention, checkpoint_blocks=True)
    assert_same(answer(less, images(256)), answer(expected, images(256)), EXACT, EXACT)
    assert sum(_kept(less, images(256))) < sum(_kept(expected, images(256))) / 2


def test_checkpointing_repeats_the_dropout() -> None:
    found = []
    for checkpoint_blocks in (False, True):
        base = small_encoder()
        speed_up(base, "tiled", checkpoint_blocks)
        torch.manual_seed(0)
        model = Model("adaptformer", False, base, dropout=0.5).train()
        model.randomise_own()
        torch.manual_seed(3)
        own = {name.replace(".", "_"): value for name, value in model.own().items()}
        found.append(answer(model, image(), **own))
    assert_same(found[1], found[0], EXACT, EXACT)


@forms
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated", "ignore:The TorchScript type system")
def test_scripted(attention: str) -> None:
    model, stock = encoder(176, attention, window=5), encoder(176, window=5)
    scripted = torch.jit.script(model)
    for picture in (images(176, 1), images(176, 3)):
        assert_same(answer(scripted, picture), answer(stock, picture), EXACT, EXACT)


@forms
@pytest.mark.parametrize("method", [None, "lora", "adaptformer"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated", "ignore::torch.jit.TracerWarning")
def test_traced_and_exported(attention: str, method: str | None) -> None:
    model = encoder(176, attention, window=5).eval()
    stock = encoder(176, window=5).eval()
    if method:
        Model(method, False, model).randomise_own()
        Model(method, False, stock)
    stock.load_state_dict(model.state_dict())
    many = images(176, 3)
    forms = [
        torch.jit.trace(model, (many[:2],)),
        torch.export.export(
            model, (many[:2],), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=8)},)
        ).module(),
    ]
    with torch.no_grad():
        for form in forms:
            assert difference(form(many), stock(many)) < EXACT


@forms
def test_keys_parameters_and_classes_are_segment_anything_s(attention: str) -> None:
    model = encoder(64)
    parameters, classes = dict(model.named_parameters()), [type(m) for m in model.modules()]
    speed_up(model, attention, checkpoint_blocks=True)
    assert [type(m) for m in model.modules()] != classes
    now = dict(model.named_parameters())
    assert all(now[name] is parameters[name] for name in parameters)
    assert now.keys() == parameters.keys()
    expected = model(images(64))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(images(64)), expected)
    speed_up(model, "stock")
    assert [type(m) for m in model.modules()] == classes


@pytest.mark.parametrize(("table", "size"), [(27, 14), (127, 32), (27, 16)])
def test_position_tables_are_get_rel_pos_s(table: int, size: int) -> None:
    values = torch.randn(table, 8, dtype=torch.float64)
    torch.testing.assert_close(position_table(values, size), get_rel_pos(size, size, values))


@pytest.mark.parametrize(("sam", "side", "fast"), [("small", 256, False), ("vit_b", 256, True)])
def test_auto_leaves_an_encoder_as_it_is_where_nothing_is_gained(
    sam: str, side: int, fast: bool
) -> None:
    with torch.device("meta"):
        built = build_architecture(SIZES[sam], side).image_encoder
    speed_up(built)
    assert {isinstance(block.attn, FastAttention) for block in built.blocks} == {fast}


def test_the_settings_arrive(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"attention": "tiled", "checkpoint_blocks": True}
    network, _ = load_base("small", "random", 64, **settings)
    adapted = build_adapted_sam("small", "random", 64, **settings)
    file = tmp_path / "adapter.safetensors"
    save_adapter(adapted, file, make_manifest(adapted))
    read = build_from_adapter(file, **settings)
    inferring = build_for_inference(file, **settings)
    for sam in (network, adapted.sam, read.sam, inferring.sam):
        assert {block.attn.form for block in sam.image_encoder.blocks} == {"tiled"}
        assert isinstance(sam.image_encoder, CheckpointedEncoder)


@pytest.mark.parametrize("attention", ["stock", *FORMS])
@pytest.mark.parametrize("orchestrate", [False, True])
def test_merged_runs_the_operators_of_sam(attention: str, orchestrate: bool) -> None:
    plain, adapted = encoder(64, attention).requires_grad_(False), encoder(64, attention)
    model = Model("lora", orchestrate, adapted)
    with torch.no_grad():
        with Operators() as of_sam:
            plain(images(64))
        with Operators() as of_lora:
            model(images(64))
        if orchestrate:
            model.fold()
        peft.merge(model.encoder)
        with Operators() as of_merged:
            model(images(64))
        counts = {"sam": of_sam.counts, "lora": of_lora.counts, "merged": of_merged.counts}
    assert counts["lora"] != counts["sam"]
    assert counts["merged"] == counts["sam"]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(CobotError, match="attention='flash': choose one of auto, stock, tiled"):
        speed_up(encoder(64), "flash")
    with pytest.raises(CobotError, match="checkpoint_blocks='yes': choose true or false"):
        speed_up(encoder(64), checkpoint_blocks="yes")  # type: ignore[arg-type]
    with pytest.raises(CobotError, match="Linear is not segment-anything's image encoder"):
        speed_up(nn.Linear(2, 2))
    model = Model("vpt", False)
    with pytest.raises(CobotError, match=r"PromptedBlock is not .* before a fine-tuning method"):
        speed_up(model.encoder, "tiled")


def test_randomised_tables_matter() -> None:
    """The comparisons above would not notice a lost term where it is zero."""
    model = encoder(64, "tiled")
    expected = model(images(64))
    for name in ("rel_pos_h", "rel_pos_w"):
        for block in (0, 1):
            other = copy.deepcopy(model)
            randomise(nn.ParameterList([other.get_parameter(f"blocks.{block}.attn.{name}")]), 9)
            assert difference(other(images(64)), expected) > GRADIENT
