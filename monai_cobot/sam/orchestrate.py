"""The place where the orchestration meets what a method has put into the encoder."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import noop_context_fn

from monai_cobot import peft
from monai_cobot.errors import CobotError
from monai_cobot.orchestration import OrchestrationConfig, Orchestrator, VectorMix
from monai_cobot.sam.encoder import CheckpointedEncoder


def orchestrate(
    encoder: nn.Module, adaptation: peft.Adaptation, config: OrchestrationConfig
) -> Orchestrator:
    """Build the owner of the parameters that cross the blocks, and attach it.

    What it computes of its own parameters is computed once a forward of the encoder.

    Args:
        encoder: the adapted one.
        adaptation: of an orchestratable method; its bottlenecks or vectors are changed in place.
        config: choices of the orchestration.

    Returns:
        The orchestrator, to be registered in a module that holds the encoder too.

    Raises:
        CobotError: if widths and choices do not go together.
    """
    like = (
        adaptation.bottlenecks[0].down.weight
        if adaptation.bottlenecks
        else adaptation.vectors[0].vector
    )
    orchestrator = Orchestrator(
        adaptation.sites,
        adaptation.hidden,
        config,
        in_place=adaptation.in_place,
        device=like.device,
        dtype=like.dtype,
    )
    if adaptation.bottlenecks:
        orchestrator.attach(adaptation.bottlenecks)
    else:
        orchestrator.attach_vectors(adaptation.vectors)
    orchestrator.forward_cache.within(encoder)
    if isinstance(encoder, CheckpointedEncoder):
        encoder.recomputing = orchestrator.forward_cache.recomputing
    return orchestrator


@torch.no_grad()
def absorb_orchestration(
    encoder: nn.Module, adaptation: peft.Adaptation, orchestrator: Orchestrator
) -> None:
    """Multiply or add the orchestration into what the method tunes, exactly, and detach it.

    Args:
        encoder: the adapted one.
        adaptation: as it was orchestrated; changed in place.
        orchestrator: the one that is attached to it.

    Raises:
        CobotError: if the adaptation is not orchestrated.
    """
    orchestrator.forward_cache.remove()
    if isinstance(encoder, CheckpointedEncoder):
        encoder.recomputing = noop_context_fn
    for site, bottleneck in enumerate(adaptation.bottlenecks):
        peft.absorb(bottleneck, orchestrator.mixing_matrix(site))
    for vector in adaptation.vectors:
        mix = vector.mix
        if not isinstance(mix, VectorMix):
            raise CobotError("nothing to fold: the method's vectors are not orchestrated")
        peft.settle(vector, mix.displacement())
