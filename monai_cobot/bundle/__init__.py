"""What the bundles' configs call; a user's error ends ``python -m monai.bundle`` in a line."""

from monai_cobot.bundle.coco import coco_ids
from monai_cobot.bundle.config import find_bundle_root
from monai_cobot.bundle.data import (
    check_data,
    choose_boxes,
    choose_split,
    describe_data,
    find_cases,
    find_images,
    get_dataset,
    get_preprocessing,
    make_cache,
    read_cases,
)
from monai_cobot.bundle.errors import show_user_errors
from monai_cobot.bundle.network import (
    add_loss,
    build_for_inference,
    build_network,
    choose_prompts,
    inference_prompts,
    load_trained,
    make_jitter,
    make_optimizer,
    place,
    preset,
    run_columns,
    slice_batch,
)
from monai_cobot.bundle.run import (
    begin_evaluation,
    begin_run,
    check_outputs,
    check_run,
    open_run,
)
from monai_cobot.bundle.run_folder import RunFolder, adapter_file
from monai_cobot.bundle.settings import check_settings, flag
from monai_cobot.handlers import (
    end_processes,
    own_share,
    refuse_earlier_evaluation,
    train_together,
)

show_user_errors()

__all__ = [
    "RunFolder",
    "adapter_file",
    "add_loss",
    "begin_evaluation",
    "begin_run",
    "build_for_inference",
    "build_network",
    "check_data",
    "check_outputs",
    "check_run",
    "check_settings",
    "choose_boxes",
    "choose_prompts",
    "choose_split",
    "coco_ids",
    "describe_data",
    "end_processes",
    "find_bundle_root",
    "find_cases",
    "find_images",
    "flag",
    "get_dataset",
    "get_preprocessing",
    "inference_prompts",
    "load_trained",
    "make_cache",
    "make_jitter",
    "make_optimizer",
    "open_run",
    "own_share",
    "place",
    "preset",
    "read_cases",
    "refuse_earlier_evaluation",
    "run_columns",
    "show_user_errors",
    "slice_batch",
    "train_together",
]
