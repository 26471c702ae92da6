"""What products of matrices reach on this machine, and how much of it a training step uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from harness import Row, Settings, counted, synchronise, timed
from operators import flops_of
from torch import Tensor
from training import slice_of, step, training_network

from monai_cobot.sam import SIZES, SAMSize, load_base
from monai_cobot.sam.promptable import decode_boxes, encode

PART = "roof"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
REPEATS = 10


def measure(settings: Settings) -> Iterator[Row]:
    """Products first, then the step with all organs of a slice at the largest side, in bfloat16.

    The step's operations are those of the mathematics, counted of the stock network (backward as
    twice the forward where an activation's gradient is needed and once where only that), so that
    neither tiles that are computed again nor padding count as work.
    """
    side = max(settings.sides)
    large = 128 if settings.quick else (8192 if settings.device.startswith("cuda") else 2048)
    roofs = {}
    for precision in PRECISIONS:
        roofs[precision] = product(settings, precision, large, large, large)
        for name, shape in shapes(settings, side).items():
            yield counted(
                PART, f"product, {precision}", f"{name} {shape}, over {large} x {large} x {large}",
                roofs[precision], product(settings, precision, *shape), "FLOP/s", growth=True,
            )  # fmt: skip
    batch = slice_of(side, settings.organs, settings.device)
    work = model_flops(settings, side)
    for precision in PRECISIONS:
        network = training_network(settings, precision=precision, side=side, orchestrate=True)
        reached = work / seconds(lambda n=network: step(n, batch), settings, 3)
        yield counted(
            PART, f"training step, orchestrated LoRA, {precision}",
            f"{settings.sam} at {side}, {settings.organs} organs, over the product",
            roofs[precision], reached, "FLOP/s", note=memory(settings), growth=True,
        )  # fmt: skip


def shapes(settings: Settings, side: int) -> dict[str, tuple[int, int, int]]:
    """Those of the encoder's own products: tokens, features in, features out."""
    size = SIZES[settings.sam]
    tokens = (side // size.patch) ** 2
    return {
        "qkv": (tokens, size.width, 3 * size.width),
        "mlp": (tokens, size.width, 4 * size.width),
    }


def product(settings: Settings, precision: str, rows: int, inner: int, columns: int) -> float:
    """FLOP/s of (rows, inner) times (inner, columns)."""
    dtype = PRECISIONS[precision]
    a = torch.randn(rows, inner, device=settings.device, dtype=dtype)
    b = torch.randn(inner, columns, device=settings.device, dtype=dtype)

    def several() -> None:
        for _ in range(REPEATS):
            a @ b

    return 2 * rows * inner * columns * REPEATS / seconds(several, settings, 3)


def seconds(run: Callable[[], object], settings: Settings, times: int) -> float:
    """The best of some runs after one to warm up: a roof is what can be reached."""
    run()
    if settings.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    return min(getattr(timed(run, settings.device), settings.clock) for _ in range(times))


def memory(settings: Settings) -> str:
    if not settings.device.startswith("cuda"):
        return ""
    synchronise(settings.device)
    return f"{torch.cuda.max_memory_allocated() / 1e9:.2f} GB allocated at the peak"


def model_flops(settings: Settings, side: int) -> int:
    """Of forward and backward of encoder and decoder, on tensors without content.

    Counted of the stock network above its frozen patch embedding, less what that computes for the
    padding of windows. LoRA's own products are left out; they are less than a hundredth.
    """
    sam, _ = load_base(settings.sam, "random", side, "stock")
    sam = sam.to("meta").requires_grad_(False)
    sam.mask_decoder.requires_grad_(True)
    embedding = sam.image_encoder.patch_embed
    # LoRA sits in the first block already: gradients reach it, and go no further.
    embedding.register_forward_hook(lambda module, inputs, found: found.requires_grad_())
    image = torch.zeros(1, 3, side, side, device="meta")
    boxes = torch.zeros(settings.organs, 4, device="meta")

    def forward_and_backward() -> None:
        embeddings: Tensor = encode(sam, image)
        low_res_masks, _ = decode_boxes(sam, embeddings.expand(len(boxes), -1, -1, -1), boxes)
        low_res_masks.sum().backward()

    return flops_of(forward_and_backward) - padding_flops(SIZES[settings.sam], side)


def padding_flops(size: SAMSize, side: int) -> int:
    """What the stock encoder computes for tokens beyond the image, forward and backward.

    Of each such token the projections to q, k and v and back, 8 D^2 forward, and as a query its
    scores, products with values and relative positions, 4 w^2 D + 4 w D. Keys and values of the
    padding that image tokens attend to are part of the mathematics. Backward costs projections and
    relative positions as much again, whose weights are frozen, and products of activations twice.
    """
    tokens, window, width = side // size.patch, size.window, size.width
    padded = -(-tokens // window) * window
    beyond = padded**2 - tokens**2
    linear = 8 * width**2 + 4 * window * width
    products = 4 * window**2 * width
    blocks = size.depth - len(size.global_blocks)
    return blocks * beyond * (2 * linear + 3 * products)
