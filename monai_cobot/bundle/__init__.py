"""What the bundles' configs call. A :class:`CobotError` ends ``python -m monai.bundle`` cleanly."""

from monai_cobot.bundle.data import (
    check_data,
    choose_boxes,
    choose_split,
    describe_data,
    find_cases,
    find_images,
    get_dataset,
    get_preprocessing,
)
from monai_cobot.bundle.errors import clear_errors, flag
from monai_cobot.bundle.network import (
    build_for_inference,
    build_network,
    load_trained,
    make_jitter,
    make_optimizer,
    run_columns,
)
from monai_cobot.bundle.root import find_bundle_root
from monai_cobot.bundle.run import (
    begin_run,
    check_counts,
    check_evaluation,
    check_outputs,
    check_run,
    open_run,
)
from monai_cobot.bundle.run_folder import RunFolder, adapter_file

__all__ = [
    "RunFolder",
    "adapter_file",
    "begin_run",
    "build_for_inference",
    "build_network",
    "check_counts",
    "check_data",
    "check_evaluation",
    "check_outputs",
    "check_run",
    "choose_boxes",
    "choose_split",
    "clear_errors",
    "describe_data",
    "find_bundle_root",
    "find_cases",
    "find_images",
    "flag",
    "get_dataset",
    "get_preprocessing",
    "load_trained",
    "make_jitter",
    "make_optimizer",
    "open_run",
    "run_columns",
]
