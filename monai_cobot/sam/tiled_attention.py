"""Attention with relative positions in tiles of scores, which backward computes again.

The scores of a tile live in a buffer of two megabytes, most of which the processor's cache holds:
no N x N matrix is kept or even formed. Padded window positions are keys and values alone, the same
for all; no query is computed for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from monai_cobot.sam.windows import Region, cut, regions

TILE = 2**19
"""Scores in a tile."""


class Windows(NamedTuple):
    """All windows of a region, G = images x windows x heads.

    Attributes:
        q: (G, h w, d), of the image tokens.
        k, v: (G, H W, d), of all positions, padding included.
        rel_h, rel_w: (G, h w, H) and (G, h w, W), what a key's row and column add to its score.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    rel_h: Tensor
    rel_w: Tensor


class TiledAttention(torch.autograd.Function):
    """Scaled dot-product attention inside windows, with decomposed relative positions.

    ::

        scores[i, j] = scale q[i] k[j] + q[i] rows[i_row, j_row] + q[i] columns[i_column, j_column]
        y            = softmax(scores) v

    Arguments of ``apply``: ``qkv`` (B, H, W, 3, heads, d); ``filler`` (3, heads, d), that of padded
    positions, not read without any; ``rows`` (h, h, d) and ``columns`` (w, w, d), the relative
    positions in a window of h x w as (query, key, feature); ``scale``. Gives (B, H, W, heads, d).
    The softmax and all sums over tiles are in single precision at least.
    """

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, filler: Tensor, rows: Tensor, columns: Tensor, scale: float
    ) -> Tensor:
        """Attend; only the inputs are kept."""
        ctx.save_for_backward(qkv, filler, rows, columns)
        ctx.scale = scale
        out = qkv.new_empty(*qkv.shape[:3], *qkv.shape[4:])
        with torch.autocast(qkv.device.type, enabled=False):
            for region in regions(qkv.shape[1], qkv.shape[2], (len(rows), len(columns))):
                windows = _gather(qkv, filler, rows, columns, region)
                y = torch.empty_like(windows.q, memory_format=torch.contiguous_format)
                for group, part, (buffer,) in _tiles(windows, 1):
                    p = _probabilities(windows, group, part, buffer, scale)
                    torch.bmm(p.to(y.dtype), windows.v[group], out=y[group, part])
                _by_head(out, region).copy_(y.view(_by_head(out, region).shape))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the four tensors."""
        qkv, filler, rows, columns = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        of_qkv = torch.empty_like(qkv)
        of_filler = torch.zeros_like(filler) if wanted[1] else None
        of_rows = torch.zeros_like(rows) if wanted[2] else None
        of_columns = torch.zeros_like(columns) if wanted[3] else None
        with torch.autocast(qkv.device.type, enabled=False):
            for region in regions(qkv.shape[1], qkv.shape[2], (len(rows), len(columns))):
                windows = _gather(qkv, filler, rows, columns, region)
                of_y = _by_head(grad, region).reshape(windows.q.shape)
                q, k, v, rel_h, rel_w = _backward(windows, of_y, ctx.scale)
                grid = (region.height, region.width)
                in_grid = torch.unflatten(windows.q, 1, grid)
                rel_h, rel_w = torch.unflatten(rel_h, 1, grid), torch.unflatten(rel_w, 1, grid)
                near, beside = rows[: region.height], columns[: region.width]
                q = torch.unflatten(q, 1, grid) + torch.einsum("ghwk,hkc->ghwc", rel_h, near)
                q += torch.einsum("ghwk,wkc->ghwc", rel_w, beside)
                if of_rows is not None:
                    of_rows[: region.height] += torch.einsum("ghwk,ghwc->hkc", rel_h, in_grid)
                if of_columns is not None:
                    of_columns[: region.width] += torch.einsum("ghwk,ghwc->wkc", rel_w, in_grid)
                window = (len(rows), len(columns))
                k, v = torch.unflatten(k, 1, window), torch.unflatten(v, 1, window)
                _scatter(q, k, v, region, of_qkv, of_filler)
        return of_qkv, of_filler, of_rows, of_columns, None


def _by_head(tokens: Tensor, region: Region) -> Tensor:
    """(B, H, W, heads, d) -> (B, rows, columns, heads, height, width, d), a view."""
    return cut(tokens, region).permute(0, 1, 3, 5, 2, 4, 6)


def _gather(qkv: Tensor, filler: Tensor, rows: Tensor, columns: Tensor, region: Region) -> Windows:
    height, width = region.height, region.width
    q, k, v = (_by_head(part, region) for part in qkv.unbind(3))
    if (height, width) != (len(rows), len(columns)):
        k, v = (
            _fill(part, value, (len(rows), len(columns)))
            for part, value in ((k, filler[1]), (v, filler[2]))
        )
    q, k, v = (part.reshape(-1, part.shape[-3] * part.shape[-2], part.shape[-1])
               for part in (q, k, v))  # fmt: skip
    in_grid = torch.unflatten(q, 1, (height, width))
    rel_h = torch.einsum("ghwc,hkc->ghwk", in_grid, rows[:height]).flatten(1, 2)
    rel_w = torch.einsum("ghwc,wkc->ghwk", in_grid, columns[:width]).flatten(1, 2)
    return Windows(q, k, v, rel_h, rel_w)


def _fill(part: Tensor, value: Tensor, window: tuple[int, int]) -> Tensor:
    """Pad (B, rows, columns, heads, h, w, d) at the bottom and on the right with (heads, d)."""
    filled = value[:, None, None].expand(*part.shape[:4], *window, -1).contiguous()
    filled[..., : part.shape[4], : part.shape[5], :] = part
    return filled


def _tiles(windows: Windows, buffers: int) -> Iterator[tuple[slice, slice, list[Tensor]]]:
    """Groups of windows and parts of their queries, and buffers for their scores."""
    total, queries, keys = windows.q.shape[0], windows.q.shape[1], windows.k.shape[1]
    groups, parts = max(1, TILE // (queries * keys)), min(queries, max(1, TILE // keys))
    dtype = torch.promote_types(windows.q.dtype, torch.float32)
    space = windows.q.new_empty(buffers, min(groups, total) * parts * keys, dtype=dtype)
    for first in range(0, total, groups):
        group = slice(first, min(first + groups, total))
        for start in range(0, queries, parts):
            part = slice(start, min(start + parts, queries))
            shape = (group.stop - first, part.stop - start, keys)
            used = shape[0] * shape[1] * keys
            yield group, part, [buffer[:used].view(shape) for buffer in space]


def _probabilities(
    windows: Windows, group: slice, part: slice, buffer: Tensor, scale: float
) -> Tensor:
    """Compute a tile of softmax(scores) into the buffer."""
    rel_h, rel_w = windows.rel_h[group, part], windows.rel_w[group, part]
    grid = torch.unflatten(buffer, -1, (rel_h.shape[-1], rel_w.shape[-1]))
    torch.add(rel_h.to(buffer.dtype)[..., None], rel_w.to(buffer.dtype)[..., None, :], out=grid)
    _accumulate(buffer, windows.q[group, part], windows.k[group].transpose(-2, -1), scale)
    return torch.softmax(buffer, dim=-1, out=buffer)


def _accumulate(total: Tensor, left: Tensor, right: Tensor, factor: float = 1.0) -> None:
    """Add ``factor left @ right`` to a total that may be of a higher precision."""
    if total.dtype == left.dtype:
        torch.baddbmm(total, left, right, alpha=factor, out=total)
    else:
        total.add_(torch.bmm(left, right), alpha=factor)


def _product(out: Tensor, left: Tensor, right: Tensor) -> None:
    """Write ``left @ right`` into a tensor that may be of a higher precision."""
    if out.dtype == left.dtype:
        torch.bmm(left, right, out=out)
    else:
        out.copy_(torch.bmm(left, right))


def _backward(windows: Windows, of_y: Tensor, scale: float) -> Windows:
    """Gradients of all five, given that of the output (G, h w, d)."""
    low, dtype = windows.q.dtype, torch.promote_types(windows.q.dtype, torch.float32)
    q, rel_h, rel_w = (
        torch.empty_like(part, memory_format=torch.contiguous_format)
        for part in (windows.q, windows.rel_h, windows.rel_w)
    )
    # Transposed, (G, d, H W): a product with few rows on the left is the faster one.
    k, v = (windows.k.new_zeros(windows.k.transpose(-2, -1).shape, dtype=dtype) for _ in range(2))
    for group, part, (p, ds) in _tiles(windows, 2):
        _probabilities(windows, group, part, p, scale)
        _accumulate(v[group], of_y[group, part].transpose(-2, -1), p.to(low))
        _product(ds, of_y[group, part], windows.v[group].transpose(-2, -1))
        torch.ops.aten._softmax_backward_data.out(ds, p, -1, dtype, grad_input=ds)
        grid = torch.unflatten(ds, -1, (rel_h.shape[-1], rel_w.shape[-1]))
        rel_h[group, part], rel_w[group, part] = grid.sum(-1), grid.sum(-2)
        scores = ds.to(low)
        _product(q[group, part], scores, windows.k[group])
        _accumulate(k[group], windows.q[group, part].transpose(-2, -1), scores, scale)
    return Windows(q.mul_(scale), k.transpose(-2, -1), v.transpose(-2, -1), rel_h, rel_w)


def _scatter(
    q: Tensor, k: Tensor, v: Tensor, region: Region, of_qkv: Tensor, of_filler: Tensor | None
) -> None:
    """Write the gradients (G, h, w, d) and (G, H, W, d) to the tokens and to the filler."""
    to_q, to_k, to_v = (_by_head(part, region) for part in of_qkv.unbind(3))
    outer = to_q.shape[:4]
    to_q.copy_(q.view(to_q.shape))
    for index, to, given in ((1, to_k, k), (2, to_v, v)):
        value = given.view(*outer, *given.shape[1:])
        to.copy_(value[..., : region.height, : region.width, :])
        if of_filler is not None:
            below = value[..., region.height :, :, :].sum((0, 1, 2, 4, 5))
            beside = value[..., : region.height, region.width :, :].sum((0, 1, 2, 4, 5))
            of_filler[index] += below + beside
