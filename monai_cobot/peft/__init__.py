"""Fine-tuning of SAM's image encoder: one file a method, and their registry."""

from monai_cobot.peft import (
    adaptformer,
    attention_tuning,
    bitfit,
    dora,
    freeze,
    full,
    lightweight,
    lora,
    lst,
    ssf,
    vpt,
)
from monai_cobot.peft.adaptation import Adaptation
from monai_cobot.peft.adaptformer import AdaptformerConfig, AdaptformerMLP
from monai_cobot.peft.attention_tuning import AttentionTuningConfig
from monai_cobot.peft.bitfit import BitFitConfig
from monai_cobot.peft.bottleneck import Bottleneck, absorb, bottlenecks, tuned_vectors
from monai_cobot.peft.dora import DoRAConfig, DoRALinear
from monai_cobot.peft.freeze import FreezeConfig
from monai_cobot.peft.full import FullConfig
from monai_cobot.peft.lightweight import LightweightConfig
from monai_cobot.peft.lora import LoRAConfig, LoRALinear
from monai_cobot.peft.lst import LSTConfig
from monai_cobot.peft.merging import merge
from monai_cobot.peft.registry import (
    Declared,
    Method,
    config_from_mapping,
    get,
    names,
    register,
)
from monai_cobot.peft.ssf import SSFConfig
from monai_cobot.peft.vector import TunedVector, settle
from monai_cobot.peft.vpt import VPTConfig

__all__ = [
    "Adaptation",
    "AdaptformerConfig",
    "AdaptformerMLP",
    "AttentionTuningConfig",
    "BitFitConfig",
    "Bottleneck",
    "Declared",
    "DoRAConfig",
    "DoRALinear",
    "FreezeConfig",
    "FullConfig",
    "LSTConfig",
    "LightweightConfig",
    "LoRAConfig",
    "LoRALinear",
    "Method",
    "SSFConfig",
    "TunedVector",
    "VPTConfig",
    "absorb",
    "bottlenecks",
    "config_from_mapping",
    "get",
    "merge",
    "names",
    "register",
    "settle",
    "tuned_vectors",
]

# A row a method, in the order of tables and help texts.
for _module in (
    *(freeze, lightweight, lora, adaptformer, dora),
    *(bitfit, ssf, attention_tuning, vpt, lst, full),
):
    register(_module.METHOD)
