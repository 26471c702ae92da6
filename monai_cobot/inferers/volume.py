"""A volume through SAM, slice by slice, with its boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.inferers import Inferer
from tqdm import tqdm

from monai_cobot.errors import CobotError, require_whole
from monai_cobot.inferers.answering import Answered, Asked, asked
from monai_cobot.inferers.jitter import jittered_boxes
from monai_cobot.inferers.painting import label_map, paint
from monai_cobot.inferers.propagation import Propagation
from monai_cobot.transforms import (
    BoxJitter,
    SAMFrame,
    SlicePrompts,
    Start,
    slices_to_volume,
    volume_to_slices,
)

NO_BOX = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
KINDS = {"box": ("box",), "organ": ("organ",), "both": ("box", "organ")}


class PromptedVolumeInferer(Inferer):
    """Run a promptable network over a volume's slices and paint a label map.

    Slices go through the encoder once, ``batch`` at a time, and their boxes and organ prompts
    through the decoder ``chunk`` at a time; nothing is kept of a batch but its label maps. Without
    learned organ prompts slices without a box stay background and cost nothing; with them every
    slice is segmented: the decoder says of every organ whether it is there, and of those that are
    not, no mask is brought to the slice's size. Starts are followed through the
    volume before; each slice on the way costs one or two calls more.

    Args:
        image_size: side S of the network's square input, in pixels.
        jitter: perturbs the boxes in the model frame; None leaves them exact.
        seed: of the jitter; each slice is seeded by (seed, case, z), whatever the order.
        device: of the network, if the volume is elsewhere; None is the volume's own.
        progress: show a bar over the slices.
        propagation: how starts are followed; None is :class:`Propagation`'s own settings.
        prompts: ``box``, ``organ`` for the network's learned organ prompts, or ``both``.
        organ_labels: label values of the organ prompts, in the network's order.
        batch: slices that go through the encoder together. On a GPU several are faster; a CPU has
            nothing of it.
        chunk: prompts that go through the decoder together; `prompt_chunk` of a config.

    Raises:
        CobotError: unknown prompts, organ prompts without labels, or a batch or chunk that is no
            whole number of at least 1.
    """

    def __init__(
        self,
        image_size: int,
        jitter: BoxJitter | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        progress: bool = False,
        propagation: Propagation | None = None,
        prompts: str = "box",
        organ_labels: Sequence[int] = (),
        batch: int = 1,
        chunk: int = 64,
    ) -> None:
        super().__init__()
        if prompts not in KINDS:
            raise CobotError(f"prompts={prompts!r}: choose one of {', '.join(KINDS)}")
        self.kinds = KINDS[prompts]
        self.organ_labels = torch.tensor(list(organ_labels), dtype=torch.int64)
        if "organ" in self.kinds and not len(self.organ_labels):
            raise CobotError("organ prompts need organ_labels, the label value of each organ")
        require_whole("slice_batch", batch)
        require_whole("prompt_chunk", chunk)
        self.batch, self.chunk = batch, chunk
        self.image_size, self.jitter, self.seed = image_size, jitter, seed
        self.device, self.progress = device, progress
        self.propagation = propagation or Propagation()

    @torch.no_grad()
    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        prompts: SlicePrompts,
        *args: Any,
        case: str = "",
        starts: Sequence[Start] = (),
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        slices: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Segment one volume.

        Args:
            inputs: (1, 1, X, Y, Z), 0..255, voxel frame (RAS).
            network: as :class:`~monai_cobot.inferers.answering.Asked` has it; one without
                ``embed`` gets ``args`` and ``kwargs`` too.
            prompts: z to boxes (P, 4) XYXY, slice frame, and organs (P,), 1..255.
            case: its name, which seeds the jitter.
            starts: where organs are known that are to be followed; they are used without jitter.
            spacing: millimetres between voxels along X, Y and Z, for the starts.
            slices: the z that organ prompts are run over, for a split by slice; None is all.

        Returns:
            (1, M, X, Y, Z) uint8 on the inputs' device, voxel frame, a label map for each of the
            M ``kinds`` of prompts: where a logit is above 0 the organ of the highest one (of
            several boxes of an organ, the best counts), else 0.

        Raises:
            CobotError: not one volume of one channel; prompts on a slice that does not exist, not
                one organ a box, or an organ outside of 1..255.
        """
        if inputs.ndim != 5 or tuple(inputs.shape[:2]) != (1, 1):
            raise CobotError(
                f"expected one volume (1, 1, X, Y, Z), got {tuple(inputs.shape)}: give volumes "
                "one at a time (batch_size: 1)"
            )
        stack = volume_to_slices(inputs[0])
        _check_prompts(prompts, len(stack), case)
        _check_starts(starts, len(stack), case)
        if starts and "box" not in self.kinds:
            raise CobotError(f"case {case}: organ prompts follow no starts: set prompts: box")
        height, width = int(stack.shape[2]), int(stack.shape[3])
        frame = SAMFrame(height, width, self.image_size)
        device = inputs.device if self.device is None else torch.device(self.device)
        ask = asked(network, args, kwargs)
        labels = stack.new_zeros(len(stack), len(self.kinds), height, width, dtype=torch.uint8)

        def segment(z: int, boxes: torch.Tensor, organs: torch.Tensor) -> torch.Tensor:
            image = frame.image_to_model(stack[z].to(device))[None]
            model_boxes = frame.boxes_to_model(boxes.to(device))
            return frame.logits_to_slice(ask(image, boxes=[model_boxes])[:, 0].float())

        paintings = self.propagation(stack, starts, segment, spacing, self.progress)
        for z, painting in paintings.items():
            labels[z, self.kinds.index("box")] = label_map(painting)
        used = self.jittered_prompts(prompts, (height, width), case)
        todo = sorted({*used, *(range(len(stack)) if slices is None else slices)})
        if "organ" not in self.kinds:
            todo = list(used)
        bar = tqdm(
            total=len(todo), desc=case or "slices", unit="slice", leave=False,
            disable=not self.progress,
        )  # fmt: skip
        for start in range(0, len(todo), self.batch):
            some = todo[start : start + self.batch]
            images = torch.stack([frame.image_to_model(stack[z].to(device)) for z in some])
            prompted = [used.get(z, NO_BOX) for z in some]
            boxes = [frame.boxes_to_model(found.to(device)) for found, _ in prompted]
            for kind, answers in self._answers(ask, images, boxes):
                for z, answer, (_, organs) in zip(some, answers, prompted, strict=True):
                    if len(answer.places):
                        box = kind == "box"
                        found = paint(
                            frame.logits_to_slice(answer.logits.float()),
                            (organs if box else self.organ_labels)[answer.places.cpu()],
                            paintings.get(z) if box else None,
                        )
                        labels[z, self.kinds.index(kind)] = label_map(found)
            bar.update(len(some))
        bar.close()
        return slices_to_volume(labels)[None]

    def _answers(
        self,
        network: Callable[..., torch.Tensor],
        images: torch.Tensor,
        boxes: Sequence[torch.Tensor],
    ) -> Iterator[tuple[str, list[Answered]]]:
        """Each kind of prompts, and what it gives of each slice."""
        question = Asked(network, images)
        if "box" in self.kinds:
            yield "box", question.boxes(boxes, self.chunk)
        if "organ" in self.kinds:
            yield "organ", question.organs(self.chunk)

    def jittered_prompts(
        self, prompts: SlicePrompts, size: tuple[int, int], case: str = ""
    ) -> SlicePrompts:
        """Give the prompts that a call with the same case uses, for fair comparisons.

        Args:
            prompts: z to boxes (P, 4) XYXY, slice frame, and organs (P,).
            size: rows and columns (H, W) of a slice.
            case: the case's name.

        Returns:
            The same slices and organs in ascending z, boxes perturbed, still in the slice frame;
            exact boxes (no jitter, or of size 0) unchanged bit for bit.
        """
        frame = SAMFrame(*size, self.image_size)
        return {
            z: (jittered_boxes(boxes, self.jitter, frame, self.seed, case, z), organs)
            for z, (boxes, organs) in sorted(prompts.items())
        }


def label_maps(output: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """An engine's output for MONAI's metrics: label maps and truths (M, 1, X, Y, Z).

    With both kinds of prompts a metric's mean is that over the two.
    """
    predicted = output["pred"].transpose(0, 1)
    return predicted, output["label"].expand_as(predicted)


def _check_prompts(prompts: SlicePrompts, slices: int, case: str) -> None:
    for z, (boxes, organs) in prompts.items():
        if not 0 <= z < slices:
            raise CobotError(f"case {case}: prompts on slice {z}, but slices are 0 to {slices - 1}")
        if len(boxes) == 0 or boxes.shape != (len(organs), 4):
            raise CobotError(
                f"case {case}, slice {z}: boxes {tuple(boxes.shape)} for {len(organs)} organs: "
                "give (P, 4) boxes and (P,) organs, at least one"
            )
        if not bool(((organs >= 1) & (organs <= 255)).all()):
            raise CobotError(
                f"case {case}, slice {z}: organs {organs.tolist()} are outside of 1..255, "
                "which a uint8 label map holds"
            )


def _check_starts(starts: Sequence[Start], slices: int, case: str) -> None:
    for start in starts:
        if not 0 <= start.first <= start.z <= start.last < slices or not 1 <= start.organ <= 255:
            raise CobotError(
                f"case {case}: a start of organ {start.organ} on slice {start.z} of {start.first} "
                f"to {start.last}, but slices are 0 to {slices - 1} and organs 1 to 255"
            )
