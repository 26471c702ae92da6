"""Rows of ``metrics.csv`` for cases with their truth, oracle boxes, and a promptable network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from monai_cobot import metrics
from monai_cobot.data.spec import Case, DatasetSpec
from monai_cobot.inferers import (
    OracleBoxes,
    PromptedImageInferer,
    PromptedVolumeInferer,
    VolumeCollate,
)
from monai_cobot.metrics import Row, Run
from monai_cobot.transforms import (
    BoxJitter,
    Preprocessing,
    boxes_from_masks,
    image_transforms,
    volume_to_slices,
    volume_transforms,
)


@dataclass(frozen=True)
class BoxEvaluation:
    """Scores a network, the filled box and the ellipse, from boxes of the truth (oracle boxes).

    Attributes:
        network: ``network(image (1, 3, S, S), boxes=[(P, 4)])`` gives logits (P, 1, S, S), model
            frame.
        run: columns of the network's rows; the trivial answers get theirs from it.
        jitter: of the boxes; all answers are given the same ones.
        seed: of the jitter, with the case's name.
        device: of the network; None where it is on the CPU, as the data are.
    """

    network: Callable[..., Tensor]
    run: Run
    jitter: BoxJitter
    seed: int = 0
    device: torch.device | str | None = None

    def rows(self, spec: DatasetSpec, cases: Sequence[Case], progress: bool = False) -> list[Row]:
        """Rows of cases with their truth: of a volume an organ, of a picture an instance.

        A picture without a target gives none. ``progress`` shows a bar.
        """
        rows_of = self.of_volume if spec.dimensions == 3 else self.of_picture
        bar: Iterable[Case] = tqdm(cases, desc=f"{spec.code} {self.jitter}", disable=not progress)
        return [row for case in bar for row in rows_of(spec, case)]

    def of_volume(self, spec: DatasetSpec, case: Case) -> Iterator[Row]:
        """Rows of one volume."""
        item = volume_transforms(Preprocessing(spec.modality, spec.window))(case)
        batch = VolumeCollate(OracleBoxes())([item])
        name, prompts = batch["case"], batch["prompts"]
        inferer = PromptedVolumeInferer(self.run.image_size, self.jitter, self.seed, self.device)
        predicted = inferer(batch["image"], self.network, prompts, case=name)
        truth, prediction = (
            volume_to_slices(array[0])[:, 0].numpy() for array in (batch["label"], predicted)
        )
        used = inferer.jittered_prompts(prompts, truth.shape[1:], name)
        answers = {self.run: prediction}
        for kind in metrics.TRIVIAL_ANSWERS:
            answers[self.run.trivial(kind)] = metrics.trivial_volume(used, truth.shape, kind)
        spacing = batch["spacing"][::-1]
        for run, answer in answers.items():
            scores = metrics.organ_scores(answer, truth, spec.organs, spacing)
            yield from metrics.volume_rows(scores, run, case=name, patient=batch["patient"])

    def of_picture(self, spec: DatasetSpec, case: Case) -> Iterator[Row]:
        """Rows of one picture."""
        picture = image_transforms(spec.labels)(case)
        names = {organ.label: organ.name for organ in spec.organs}
        return self.of_masks(
            picture["image"],
            picture["masks"],
            [names[int(label)] for label in picture["organs"]],
            case=picture["case"],
            patient=picture["patient"],
            instances=picture["instances"].tolist(),
        )

    def of_masks(
        self,
        image: Tensor,
        masks: Tensor,
        classes: Sequence[str],
        *,
        case: str,
        patient: str,
        instances: Sequence[int],
    ) -> Iterator[Row]:
        """Rows of a picture that is at hand, wherever it comes from.

        Args:
            image: (1 or 3, H, W), 0..255, slice frame.
            masks: (P, H, W), 0 or 1, none of them empty.
            classes: name of each mask's class.
            case: name of the picture.
            patient: the group that it belongs to.
            instances: number of each mask.
        """
        boxes = boxes_from_masks(masks)
        size = (int(masks.shape[1]), int(masks.shape[2]))
        inferer = PromptedImageInferer(self.run.image_size, self.jitter, self.seed, self.device)
        predicted = inferer(image[None], self.network, boxes, case=case)
        used = inferer.jittered_boxes(boxes, size, case).numpy()
        answers = {self.run: predicted.numpy()}
        for kind in metrics.TRIVIAL_ANSWERS:
            answers[self.run.trivial(kind)] = metrics.trivial_masks(used, size, kind)
        for run, answer in answers.items():
            scores = metrics.instance_scores(answer, masks.numpy(), classes)
            yield from metrics.instance_rows(scores, instances, run, case=case, patient=patient)
