"""Outputs, loss and gradients of the authors' released modules, met by ours.

Folder: COBOT_GOLDEN_DIR, else shared/golden beside the repository, else the copy in tests/golden.
Every ``*.npz`` there is a case; ``lora*`` and ``adaptformer*`` say its kind, the file its sizes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monai_cobot.orchestration import Orchestrator
from monai_cobot.peft import AdaptformerConfig, AdaptformerMLP, LoRAConfig, LoRALinear

# What float64 leaves after some hundred operations on values of order one, with room.
TOLERANCE = 1e-10

HYPERCOMPLEX = ("real", "j1", "j2", "j3")

Values = dict[str, Tensor]
Pick = Callable[[Tensor], Tensor]


@dataclass
class Case:
    """Our modules in the place of the released ones.

    ``places`` maps each golden key to our parameter and to the part of it, in golden orientation,
    that the key stands for; the same part of its gradient is the golden gradient.
    """

    blocks: list[nn.Module]
    sequential: bool
    places: dict[str, tuple[nn.Parameter, Pick]] = field(default_factory=dict)

    def load(self, values: Values) -> None:
        with torch.no_grad():
            for key, (parameter, pick) in self.places.items():
                part = pick(parameter)
                assert part.shape == values[key].shape, key
                part.copy_(values[key])

    def run(self, values: Values) -> tuple[list[Tensor], Tensor]:
        outputs, u = [], values["x"]
        for block in self.blocks:
            outputs.append(block(u))
            u = outputs[-1] if self.sequential else u
        weights = [values[f"block{b}.loss_weight"] for b in range(len(self.blocks))]
        loss = torch.stack([(y * w).sum() for y, w in zip(outputs, weights, strict=True)]).sum()
        return outputs, loss


def whole(tensor: Tensor) -> Tensor:
    return tensor


def transposed(tensor: Tensor) -> Tensor:
    return tensor.mT


def site_row(site: int) -> Pick:
    return lambda tensor: tensor[site]


def site_block(site: int, component: int) -> Pick:
    return lambda tensor: tensor[site, component].mT


def orchestrated(case: Case, values: Values, bottlenecks: list[nn.Module]) -> Orchestrator:
    sites, hidden = values["coefficients_lm"].shape
    orchestrator = Orchestrator(sites, hidden, dtype=torch.float64)
    orchestrator.attach(bottlenecks)  # type: ignore[arg-type]
    case.places["coefficients_lm"] = (orchestrator.coefficients_lm, whole)
    case.places["relation_matrix"] = (orchestrator.relation_matrix, transposed)
    return orchestrator


def place_site(case: Case, owner: Orchestrator, site: int, block: int, suffix: str) -> None:
    mc_suffix, hl_suffix = (f"_{suffix}", f"{suffix}_") if suffix else ("", "")
    key = f"block{block}.coefficients_mc{mc_suffix}"
    case.places[key] = (owner.coefficients_mc, site_row(site))
    for component, name in enumerate(HYPERCOMPLEX):
        key = f"block{block}.hl_{hl_suffix}{name}"
        case.places[key] = (owner.get_parameter("blocks"), site_block(site, component))


def lora_case(values: Values, blocks: int) -> Case:
    features, hidden = values["x"].shape[-1], values["coefficients_lm"].shape[1]
    modules = [
        LoRALinear(nn.Linear(features, 3 * features, dtype=torch.float64), LoRAConfig(hidden))
        for _ in range(blocks)
    ]
    case = Case(list(modules), sequential=False)
    sites = [bottleneck for module in modules for bottleneck in (module.lora_q, module.lora_v)]
    owner = orchestrated(case, values, list(sites))
    for b, module in enumerate(modules):
        case.places[f"block{b}.qkv_weight"] = (module.weight, whole)
        case.places[f"block{b}.qkv_bias"] = (module.bias, whole)
        for offset, (suffix, lora) in enumerate((("q", module.lora_q), ("v", module.lora_v))):
            case.places[f"block{b}.a_{suffix}"] = (lora.down.weight, whole)
            case.places[f"block{b}.b_{suffix}"] = (lora.up.weight, whole)
            place_site(case, owner, 2 * b + offset, b, suffix)
    return case


class MLP(nn.Module):
    """SAM's MLP, as far as the adapter needs it."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(features, width, dtype=torch.float64)
        self.act = nn.GELU()
        self.lin2 = nn.Linear(width, features, dtype=torch.float64)


def adaptformer_case(values: Values, blocks: int) -> Case:
    features, hidden = values["x"].shape[-1], values["coefficients_lm"].shape[1]
    width = values["block0.mlp_fc1_weight"].shape[0]
    modules = [
        AdaptformerMLP(MLP(features, width), AdaptformerConfig(hidden)).eval()
        for _ in range(blocks)
    ]
    case = Case(list(modules), sequential=True)
    owner = orchestrated(case, values, [module.adapter for module in modules])
    for b, module in enumerate(modules):
        adapter = module.adapter
        layers = {
            "mlp_fc1": module.lin1,
            "mlp_fc2": module.lin2,
            "norm": adapter.norm,
            "down": adapter.down,
            "up": adapter.up,
        }
        for name, layer in layers.items():
            case.places[f"block{b}.{name}_weight"] = (layer.weight, whole)
            case.places[f"block{b}.{name}_bias"] = (layer.bias, whole)
        place_site(case, owner, b, b, "")
    return case


KINDS = {"lora": lora_case, "adaptformer": adaptformer_case}


def golden_dir() -> Path:
    here = Path(__file__).resolve().parent
    shared = here.parents[1] / "shared" / "golden"
    default = shared if shared.is_dir() else here / "golden"
    return Path(os.environ.get("COBOT_GOLDEN_DIR", default))


def golden_files() -> Iterator[object]:
    for file in sorted(golden_dir().glob("*.npz")):
        yield pytest.param(file, id=file.stem)


def grad_key(key: str) -> str:
    block, dot, name = key.rpartition(".")
    return f"{block}{dot}grad_{name}"


def test_there_are_golden_files() -> None:
    assert list(golden_files()), f"no *.npz in {golden_dir()}"


@pytest.mark.parametrize("file", list(golden_files()))
def test_golden(file: Path) -> None:
    with np.load(file) as stored:
        values = {key: torch.from_numpy(np.asarray(stored[key])) for key in stored}
    kind = next((kind for kind in KINDS if file.name.startswith(kind)), None)
    assert kind is not None, f"{file.name} begins with none of {', '.join(KINDS)}"
    blocks = len({key.split(".")[0] for key in values if re.match(r"block\d+\.", key)})
    case = KINDS[kind](values, blocks)
    case.load(values)

    outputs, loss = case.run(values)
    loss.backward()

    close = {"rtol": TOLERANCE, "atol": TOLERANCE}
    for b, y in enumerate(outputs):
        torch.testing.assert_close(y, values[f"block{b}.y"], **close)
    torch.testing.assert_close(loss, values["loss"], **close)
    for key, (parameter, pick) in case.places.items():
        assert parameter.grad is not None, key
        expected = values[grad_key(key)]
        torch.testing.assert_close(
            pick(parameter.grad), expected, **close, msg=lambda m, key=key: f"grad of {key}: {m}"
        )
    compared = {"x", "loss", *case.places, *map(grad_key, case.places)}
    compared |= {f"block{b}.{name}" for b in range(blocks) for name in ("y", "loss_weight")}
    assert set(values) == compared, "a key of the file has not been used"
