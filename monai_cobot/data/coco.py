"""COCO: the instances of COCO 2017, 80 classes.

Files: ``annotations/instances_train2017.json`` and ``instances_val2017.json``, images in
``train2017`` and ``val2017``. The official test images have no public truth, so that the published
validation list is the test here. A picture is its own group. Labels are 1 to 80 in the order of
COCO's category ids (which have gaps).
"""

from __future__ import annotations

from monai_cobot.data.coco_folders import CocoFolders, CocoList
from monai_cobot.data.spec import DatasetSpec, Organ

CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)

COCO = DatasetSpec(
    code="COCO",
    title="COCO 2017, instances",
    modality="RGB",
    window=(0.0, 255.0),
    organs=tuple(Organ(label, name) for label, name in enumerate(CLASSES, start=1)),
    reader=CocoFolders(
        lists=(
            CocoList("annotations/instances_train2017.json", ("train2017",), "training"),
            CocoList("annotations/instances_val2017.json", ("val2017",), "test"),
        ),
        classes=CLASSES,
    ),
)
