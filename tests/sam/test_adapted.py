"""The adapted SAM: identity at the start, what is trained, its forward."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.sam import build_random, predict_masks
from tests.sam.conftest import TINY, Build

VARIANTS = [
    (name, orchestrate)
    for name in peft.names()
    for orchestrate in (False, True)
    if peft.get(name).orchestratable or not orchestrate
]
ROUNDING = 2e-7  # of numbers near 1 in single precision
EXACT = [variant for variant in VARIANTS if peft.get(variant[0]).identity_at_start]


@pytest.mark.parametrize(("method", "orchestrate"), EXACT)
def test_untrained_model_is_sam_to_the_bit(
    build_tiny: Build, method: str, orchestrate: bool, images: Tensor, boxes: list[Tensor]
) -> None:
    sam = build_random(TINY, seed=1)
    model = build_tiny(method, orchestrate=orchestrate)
    # torch takes another kernel (2.6e-8 apart) for weights that ask for gradients.
    decoder = next(model.sam.mask_decoder.parameters())
    sam.mask_decoder.requires_grad_(decoder.requires_grad)
    with torch.no_grad():
        assert torch.equal(model(images, boxes), predict_masks(sam, images, boxes))


@pytest.mark.parametrize(("method", "orchestrate"), VARIANTS)
def test_gradients_reach_what_is_trained_and_nothing_else(
    build_tiny: Build, method: str, orchestrate: bool, images: Tensor, boxes: list[Tensor]
) -> None:
    model = build_tiny(method, orchestrate=orchestrate, trained=True)
    if method != "freeze":
        model(images, boxes).square().mean().backward()
    for name, parameter in model.named_parameters():
        own = name.startswith("orchestrator.") or (
            name.removeprefix("sam.image_encoder.") in model.adaptation.parameters
            and not (orchestrate and model.adaptation.vectors)  # frozen; their sets are tuned
        )
        decoder = name.startswith("sam.mask_decoder.") and method != "freeze"
        assert parameter.requires_grad == (own or decoder), name
        if own:
            assert parameter.grad is not None, name
            assert float(parameter.grad.abs().sum()) > 0, name
        elif not decoder:
            assert parameter.grad is None, name


def test_prompts_of_several_images_are_those_of_each_alone(
    build_tiny: Build, images: Tensor, boxes: list[Tensor]
) -> None:
    model = build_tiny("lora", trained=True)
    with torch.no_grad():
        together = model(images, boxes)
        one_by_one = [model(images[i : i + 1], [box[None]]) for i in range(2) for box in boxes[i]]
    assert together.shape == (4, 1, 64, 64)
    # Batched and single matrix products round differently.
    torch.testing.assert_close(together, torch.cat(one_by_one), atol=1e-5, rtol=1e-5)


def test_stock_predictor_gives_the_same_masks(build_tiny: Build) -> None:
    """segment-anything's own Sam.forward on the same image and boxes."""
    sam = build_tiny("freeze").sam
    raw = torch.randint(0, 256, (3, 64, 64)).float()
    box = torch.tensor([[4.0, 8.0, 40.0, 50.0], [1.0, 2.0, 30.0, 20.0]])
    with torch.no_grad():
        stock = sam(
            [{"image": raw, "boxes": box, "original_size": (64, 64)}], multimask_output=False
        )[0]
        ours = predict_masks(sam, sam.preprocess(raw)[None], [box])
    assert torch.equal(stock["masks"], ours > 0)


def test_without_boxes_the_whole_image_is_the_prompt(build_tiny: Build, images: Tensor) -> None:
    model = build_tiny("lora")
    whole = [torch.tensor([[0.0, 0.0, 64.0, 64.0]])] * 2
    with torch.no_grad():
        assert torch.equal(model(images), model(images, whole))


def test_boxes_must_be_given_for_every_image(build_tiny: Build, images: Tensor) -> None:
    with pytest.raises(CobotError, match="2 images but boxes for 1"):
        build_tiny("lora")(images, [torch.zeros(1, 4)])


def test_parameter_groups_have_their_own_rates(build_tiny: Build) -> None:
    model = build_tiny("lora", orchestrate=True)
    groups = {group["name"]: group for group in model.parameter_groups(1e-3, 1e-2, 5e-4)}
    assert groups["lr"]["lr"] == 1e-3
    assert groups["orchestration_lr"]["lr"] == 1e-2
    counts = model.trainable_parameters()
    sizes = {name: sum(p.numel() for p in g["params"]) for name, g in groups.items()}
    assert sizes == {
        "lr": counts["peft"] + counts["decoder"],
        "orchestration_lr": counts["orchestration"],
    }
    # T = 2 sites a block, V = 4: LM and MC sets, relation matrix, hyper-complex weights.
    assert counts["orchestration"] == 6 * 4 + 6 * 4 + 6 * 6 + 6 * 4
    assert counts["peft"] == 3 * 2 * (16 * 4 + 4 * 16)


def test_relation_matrix_can_have_a_rate_of_its_own(build_tiny: Build) -> None:
    """A step of Adam moves every entry by the rate, whatever its gradient."""
    model = build_tiny("lora", orchestrate=True)
    assert model.orchestrator is not None
    groups = model.parameter_groups(1e-3, 1e-2, 5e-4, relation_lr=1e-4)
    optimizer = torch.optim.Adam(groups)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moved = {
        "relation_matrix": (model.orchestrator.relation_matrix - torch.eye(6)).abs(),
        "coefficients_lm": (model.orchestrator.coefficients_lm - 1).abs(),
    }
    assert moved["relation_matrix"].detach().numpy() == pytest.approx(1e-4, abs=ROUNDING)
    assert moved["coefficients_lm"].detach().numpy() == pytest.approx(1e-2, abs=ROUNDING)
    (group,) = [group for group in groups if group["name"] == "relation_lr"]
    assert group["weight_decay"] == 0
    assert sum(len(group["params"]) for group in groups) == sum(
        parameter.requires_grad for parameter in model.parameters()
    )


@pytest.mark.parametrize(
    "settings",
    [None, {"relation": "random"}, {"relation": "identity"}, {"coefficients": "mc"}],
)
def test_rate_of_a_relation_matrix_that_is_not_trained_is_refused(
    build_tiny: Build, settings: dict[str, str] | None
) -> None:
    model = build_tiny("lora", orchestrate=settings is not None, orchestration=settings or {})
    with pytest.raises(CobotError, match=r"relation_lr=0\.001.*no relation matrix"):
        model.parameter_groups(1e-3, 1e-2, relation_lr=1e-3)
    with pytest.raises(CobotError, match="relation_lr='x' is not a positive number"):
        model.parameter_groups(1e-3, 1e-2, relation_lr="x")  # type: ignore[arg-type]


def test_the_orchestration_does_not_decay(build_tiny: Build) -> None:
    """With no gradient Adam's decay takes a coefficient of 1 to 0 within 1 / lr steps."""
    model = build_tiny("lora", orchestrate=True)
    assert model.orchestrator is not None
    optimizer = torch.optim.Adam(model.parameter_groups(1e-2, 1e-2, weight_decay=5e-4))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    down = model.adaptation.bottlenecks[0].down.weight
    before = down.detach().clone()
    for _ in range(20):
        optimizer.step()
    assert torch.equal(model.orchestrator.coefficients_lm, torch.ones(6, 4))
    assert torch.equal(model.orchestrator.relation_matrix, torch.eye(6))
    assert not torch.equal(down, before)


def test_what_starts_at_sams_own_values_does_not_decay(build_tiny: Build) -> None:
    """Without a gradient nothing may move: Adam's decay alone would take it to 0."""
    for method in ("bitfit", "ssf", "attention_tuning", "full", "dora"):
        model = build_tiny(method)
        start = {name: p.detach().clone() for name, p in model.sam.image_encoder.named_parameters()}
        optimizer = torch.optim.Adam(model.parameter_groups(1e-2, 1e-2, weight_decay=5e-4))
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        moved = {
            name
            for name, parameter in model.sam.image_encoder.named_parameters()
            if not torch.equal(parameter, start[name])
        }
        # LoRA's `down` may decay; `up` is 0.
        assert all(method == "dora" and name.endswith("down.weight") for name in moved), method
        decays = {g["name"]: g["weight_decay"] for g in model.parameter_groups(1e-3, 1e-2, 5e-4)}
        assert decays == {"lr": 5e-4, "lr_without_decay": 0.0}


@pytest.mark.parametrize("rate", [0, -1.0, "1e-4", True, float("inf"), float("nan")])
def test_rates_must_be_positive_numbers(build_tiny: Build, rate: object) -> None:
    with pytest.raises(CobotError, match=r"lr=.* is not a positive number"):
        build_tiny("lora").parameter_groups(rate, 1e-2)  # type: ignore[arg-type]


def test_freeze_has_nothing_to_train(build_tiny: Build) -> None:
    with pytest.raises(CobotError, match="method 'freeze' trains nothing"):
        build_tiny("freeze").parameter_groups(1e-3, 1e-3)


def test_settings_must_be_mappings(build_tiny: Build) -> None:
    with pytest.raises(CobotError, match="method_options=8 is no mapping"):
        build_tiny("lora", options=8)
    with pytest.raises(CobotError, match="orchestration='product' is no mapping"):
        build_tiny("lora", orchestrate=True, orchestration="product")


def test_unknown_method_option_and_setting(build_tiny: Build) -> None:
    with pytest.raises(CobotError, match=r"unknown .*'lorra'"):
        build_tiny("lorra")
    with pytest.raises(CobotError, match="rnak"):
        build_tiny("lora", options={"rnak": 8})
    with pytest.raises(CobotError, match="unknown orchestration setting 'heads'"):
        build_tiny("lora", orchestrate=True, orchestration={"heads": 2})


def test_hidden_dimension_must_be_divisible(build_tiny: Build) -> None:
    with pytest.raises(CobotError, match="V=6 is not divisible by N=4"):
        build_tiny("lora", orchestrate=True, options={"rank": 6})


def test_methods_without_bottleneck_cannot_be_orchestrated(build_tiny: Build) -> None:
    for method, reason in (
        ("lightweight", "it tunes nothing in the image encoder"),
        ("vpt", "its prompts are tokens"),
        ("full", "it tunes every weight"),
    ):
        message = rf"'{method}' cannot be orchestrated: {reason}.* lora, adaptformer, dora, bitfit"
        with pytest.raises(CobotError, match=message):
            build_tiny(method, orchestrate=True)


@pytest.mark.parametrize("method", ["lora", "adaptformer", "bitfit", "attention_tuning"])
def test_copies_and_pickles_are_independent(
    build_tiny: Build, method: str, images: Tensor, boxes: list[Tensor]
) -> None:
    model = build_tiny(method, orchestrate=True, trained=True)
    with torch.no_grad():
        before = model(images, boxes)
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(other(images, boxes), before)
            other.orchestrator.relation_matrix.zero_()
            assert not torch.equal(other(images, boxes), before)
            assert torch.equal(model(images, boxes), before)


def test_state_dict_is_safe_to_share(build_tiny: Build) -> None:
    model = build_tiny("lora", orchestrate=True)
    pointers = [value.data_ptr() for value in model.state_dict().values()]
    assert len(pointers) == len(set(pointers))
    owned = [key for key in model.state_dict() if "orchestrator" in key]
    assert all(key.startswith("orchestrator.") for key in owned)
    assert len(owned) <= 5
