"""Rows of ``metrics.csv`` for cases with their truth, oracle boxes, and a promptable network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import Tensor
from tqdm import tqdm

from monai_cobot import metrics
from monai_cobot.data.spec import Case, DatasetSpec, target_instances
from monai_cobot.inferers import PromptedImageInferer, PromptedVolumeInferer
from monai_cobot.metrics import Row, Run
from monai_cobot.transforms import (
    BoxJitter,
    Preprocessing,
    boxes_from_masks,
    image_transforms,
    prompts_from_label,
    volume_to_slices,
    volume_transforms,
    voxel_spacing,
)

Network = Callable[..., Tensor]


def evaluate_cases(
    network: Network,
    spec: DatasetSpec,
    cases: Sequence[Case],
    run: Run,
    jitter: BoxJitter,
    seed: int = 0,
    progress: bool = False,
) -> list[Row]:
    """Score a network, the filled box and the ellipse on every case; see :func:`evaluate_case`."""
    bar: Iterable[Case] = tqdm(cases, desc=f"{spec.code} {jitter}", disable=not progress)
    return [row for case in bar for row in evaluate_case(network, spec, case, run, jitter, seed)]


def evaluate_case(
    network: Network, spec: DatasetSpec, case: Case, run: Run, jitter: BoxJitter, seed: int = 0
) -> Iterator[Row]:
    """Score one case from boxes of its truth (oracle boxes).

    Args:
        network: ``network(image (1, 3, S, S), boxes=[(P, 4)])`` gives logits (P, 1, S, S).
        spec: the dataset; volumes are scored an organ, pictures an instance.
        case: with its truth; a picture without a target gives no row.
        run: columns of the network's rows; the trivial answers get theirs from it.
        jitter: of the boxes; all answers are given the same ones.
        seed: of the jitter, with the case's name.
    """
    if spec.dimensions == 3:
        yield from _volume_rows(network, spec, case, run, jitter, seed)
    elif target_instances(case):
        yield from _picture_rows(network, spec, case, run, jitter, seed)


def _volume_rows(
    network: Network, spec: DatasetSpec, case: Case, run: Run, jitter: BoxJitter, seed: int
) -> Iterator[Row]:
    volume = volume_transforms(Preprocessing(spec.modality, spec.window))(case)
    inferer = PromptedVolumeInferer(run.image_size, jitter, seed)
    prompts = prompts_from_label(volume["label"])
    image = volume["image"].as_tensor()[None]
    name = str(case["case"])
    predicted = inferer(image, network, prompts, case=name)[0]
    truth, prediction = (
        volume_to_slices(array)[:, 0].numpy() for array in (volume["label"].as_tensor(), predicted)
    )
    used = inferer.jittered_prompts(prompts, truth.shape[1:], name)
    x, y, z = voxel_spacing(volume["image"])
    answers = {run: prediction}
    for kind in metrics.TRIVIAL_ANSWERS:
        answers[run.trivial(kind)] = metrics.trivial_volume(used, truth.shape, kind)
    for columns, answer in answers.items():
        scores = metrics.organ_scores(answer, truth, spec.organs, (z, y, x))
        yield from metrics.volume_rows(scores, columns, case=name, patient=str(case["patient"]))


def _picture_rows(
    network: Network, spec: DatasetSpec, case: Case, run: Run, jitter: BoxJitter, seed: int
) -> Iterator[Row]:
    picture = image_transforms(spec.labels)(case)
    masks: Tensor = picture["masks"]
    boxes = boxes_from_masks(masks)
    size = (int(masks.shape[1]), int(masks.shape[2]))
    inferer = PromptedImageInferer(run.image_size, jitter, seed)
    name = str(case["case"])
    predicted = inferer(picture["image"][None], network, boxes, case=name).bool().numpy()
    used = inferer.jittered_boxes(boxes, size, name).numpy()
    answers = {run: predicted}
    for kind, answer in metrics.TRIVIAL_ANSWERS.items():
        answers[run.trivial(kind)] = answer(used, size)
    classes = {organ.label: organ.name for organ in spec.organs}
    names = [classes[int(label)] for label in picture["organs"]]
    ids = [str(int(instance)) for instance in picture["instances"]]
    truth = masks.bool().numpy()
    for columns, found in answers.items():
        scores = metrics.instance_scores(found, truth, names)
        yield from metrics.instance_rows(
            scores, ids, columns, case=name, patient=str(case["patient"])
        )
