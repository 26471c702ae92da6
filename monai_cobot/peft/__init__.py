"""Parameter-efficient fine-tuning of SAM's image encoder: one file a method, and their registry."""

from monai_cobot.peft import adaptformer, freeze, lightweight, lora
from monai_cobot.peft.adaptation import Adaptation
from monai_cobot.peft.adaptformer import AdaptformerConfig, AdaptformerMLP
from monai_cobot.peft.bottleneck import Bottleneck, absorb, bottlenecks
from monai_cobot.peft.freeze import FreezeConfig
from monai_cobot.peft.lightweight import LightweightConfig
from monai_cobot.peft.lora import LoRAConfig, LoRALinear
from monai_cobot.peft.merging import merge
from monai_cobot.peft.registry import Method, config_from_mapping, get, names, register

__all__ = [
    "Adaptation",
    "AdaptformerConfig",
    "AdaptformerMLP",
    "Bottleneck",
    "FreezeConfig",
    "LightweightConfig",
    "LoRAConfig",
    "LoRALinear",
    "Method",
    "absorb",
    "bottlenecks",
    "config_from_mapping",
    "get",
    "merge",
    "names",
    "register",
]

# A row a method, in the order of tables and help texts.
register(freeze.METHOD)
register(lightweight.METHOD)
register(lora.METHOD)
register(adaptformer.METHOD)
