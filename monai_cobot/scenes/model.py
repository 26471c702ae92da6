"""The network that segments a scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from monai_cobot.errors import CobotError
from monai_cobot.segmentation import BundleInference


@dataclass(frozen=True)
class SceneModel:
    """A promptable network, as :class:`~monai_cobot.inferers.PromptedImageInferer` runs it.

    Attributes:
        network: on its device, in evaluation mode.
        image_size: side of its square input in pixels, and the side of a tile by default.
        finds_classes: whether it has learned organ prompts, and needs no boxes.
        device: of the network.
        made_with: what the summary says of it.
    """

    network: Callable[..., Any]
    image_size: int
    finds_classes: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    made_with: dict[str, Any] = field(default_factory=dict)


def load_scene_model(bundle: BundleInference) -> SceneModel:
    """The network of a bundle's ``inference.yaml``, of its adapter or untrained.

    Raises:
        CobotError: no adapter, no weights, or an adapter of another bundle.
    """
    network = bundle.build_network().eval()
    adapter = bundle.adapter()
    return SceneModel(
        network=network,
        image_size=network.base.image_size,
        finds_classes=adapter is not None and network.organ_prompts is not None,
        device=next(network.parameters()).device,
        made_with={**bundle.made_with(), "base": network.base.to_dict()},
    )


def check_prompts(model: SceneModel, boxes: bool) -> None:
    """CobotError where there are no boxes, and the network needs some."""
    if not boxes and not model.finds_classes:
        raise CobotError(
            "this network finds nothing by itself: give --boxes FILE, or an adapter that was "
            "trained with prompts: organ or both"
        )
