"""Volume to slices and back, pictures and their instances, prompts, and SAM's input.

Four frames and the doors between them: source (:mod:`.orientation`), voxel (:mod:`.slicing`),
slice (:mod:`.frame`) and model.
"""

from monai_cobot.transforms.boxes import (
    BoxJitter,
    FoundBoxes,
    boxes_from_label,
    boxes_from_masks,
    jitter_boxes,
    masks_from_label,
)
from monai_cobot.transforms.coco_ids import CocoIds, image_key
from monai_cobot.transforms.compose import UserCompose
from monai_cobot.transforms.frame import SAMFrame
from monai_cobot.transforms.image_transforms import LoadInstancesd, image_transforms
from monai_cobot.transforms.images import read_image
from monai_cobot.transforms.instances import instance_masks, targets
from monai_cobot.transforms.orientation import (
    source_axes,
    source_geometry,
    voxel_spacing,
    voxel_to_source,
)
from monai_cobot.transforms.prompts import (
    BoxPrompt,
    SlicePrompts,
    prompts_from_label,
    prompts_to_slices,
    slices_to_prompts,
)
from monai_cobot.transforms.prompts_file import load_prompts, write_prompts
from monai_cobot.transforms.run_lengths import (
    RunLengths,
    coco_box,
    decode_masks,
    encode_masks,
    mask_area,
)
from monai_cobot.transforms.sam_input import (
    BoxesFromMasksd,
    BoxJitterd,
    MasksFromLabel,
    MasksFromLabeld,
    OrganMasksd,
    RandTargetsd,
    ToSAMInput,
    ToSAMInputd,
    slice_transforms,
)
from monai_cobot.transforms.slicing import slices_to_volume, volume_to_slices
from monai_cobot.transforms.starts import (
    MaskPrompt,
    Prompt,
    Start,
    prompts_to_starts,
    tight_box,
)
from monai_cobot.transforms.volume_transforms import (
    CheckVolumed,
    MapLabelValuesd,
    Preprocessing,
    ScaleToBytes,
    ScaleToBytesd,
    volume_transforms,
)

__all__ = [
    "BoxJitter",
    "BoxJitterd",
    "BoxPrompt",
    "BoxesFromMasksd",
    "CheckVolumed",
    "CocoIds",
    "FoundBoxes",
    "LoadInstancesd",
    "MapLabelValuesd",
    "MaskPrompt",
    "MasksFromLabel",
    "MasksFromLabeld",
    "OrganMasksd",
    "Preprocessing",
    "Prompt",
    "RandTargetsd",
    "RunLengths",
    "SAMFrame",
    "ScaleToBytes",
    "ScaleToBytesd",
    "SlicePrompts",
    "Start",
    "ToSAMInput",
    "ToSAMInputd",
    "UserCompose",
    "boxes_from_label",
    "boxes_from_masks",
    "coco_box",
    "decode_masks",
    "encode_masks",
    "image_key",
    "image_transforms",
    "instance_masks",
    "jitter_boxes",
    "load_prompts",
    "mask_area",
    "masks_from_label",
    "prompts_from_label",
    "prompts_to_slices",
    "prompts_to_starts",
    "read_image",
    "slice_transforms",
    "slices_to_prompts",
    "slices_to_volume",
    "source_axes",
    "source_geometry",
    "targets",
    "tight_box",
    "volume_to_slices",
    "volume_transforms",
    "voxel_spacing",
    "voxel_to_source",
    "write_prompts",
]
