"""SAM: sizes, weights, the promptable forward, and its fine-tuned form."""

from monai_cobot.sam.adapted import CobotSAM, build_adapted_sam, trains_nothing
from monai_cobot.sam.adapter_file import (
    build_from_adapter,
    load_adapter,
    make_manifest,
    read_manifest,
    save_adapter,
)
from monai_cobot.sam.base import BaseModel, hash_weights, load_base
from monai_cobot.sam.build import build_architecture, build_random
from monai_cobot.sam.embedded import BoxAnswers, EmbeddedImages, OrganAnswers
from monai_cobot.sam.encoder import ATTENTION, speed_up
from monai_cobot.sam.feature_cache import FeatureCache
from monai_cobot.sam.loss_network import LossNetwork
from monai_cobot.sam.organ_prompts import PROMPTS, OrganPrompts
from monai_cobot.sam.precision import check_device
from monai_cobot.sam.promptable import Clicks, decode_boxes, decode_prompts, predict_masks
from monai_cobot.sam.simplify import (
    fold,
    for_inference,
    left_out,
    merge,
    merge_adapter,
    save_merged,
)
from monai_cobot.sam.sizes import SIZES, SAMSize, get_size

__all__ = [
    "ATTENTION",
    "PROMPTS",
    "SIZES",
    "BaseModel",
    "BoxAnswers",
    "Clicks",
    "CobotSAM",
    "EmbeddedImages",
    "FeatureCache",
    "LossNetwork",
    "OrganAnswers",
    "OrganPrompts",
    "SAMSize",
    "build_adapted_sam",
    "build_architecture",
    "build_from_adapter",
    "build_random",
    "check_device",
    "decode_boxes",
    "decode_prompts",
    "fold",
    "for_inference",
    "get_size",
    "hash_weights",
    "left_out",
    "load_adapter",
    "load_base",
    "make_manifest",
    "merge",
    "merge_adapter",
    "predict_masks",
    "read_manifest",
    "save_adapter",
    "save_merged",
    "speed_up",
    "trains_nothing",
]
