"""SAM's attention and blocks, faster and without N x N matrices: same keys, same results."""

from __future__ import annotations

import torch
from segment_anything.modeling.image_encoder import Attention, Block
from torch import Tensor
from torch.jit import is_scripting, is_tracing  # type: ignore[attr-defined]
from torch.nn import functional as F

from monai_cobot.sam.tiled_attention import TiledAttention
from monai_cobot.sam.windows import assemble, partition


class FastAttention(Attention):  # type: ignore[misc]
    """SAM's attention with the parameters of :class:`segment_anything`'s, and its windows.

    Attributes:
        form: ``tiled``, ``folded``, or ``auto``: tiled on a CPU, folded elsewhere. What is
            exported, compiled, traced or scripted is folded.
    """

    form = "auto"

    def forward(self, x: Tensor, window: int = 0) -> Tensor:
        """Attend inside windows.

        Args:
            x: (B, H, W, D), all tokens of the images, normalised.
            window: side of a window in tokens; 0 for one window that is the whole image.

        Returns:
            (B, H, W, D).
        """
        height, width = x.shape[1], x.shape[2]
        rows = position_table(self.rel_pos_h, window if window > 0 else height)
        columns = position_table(self.rel_pos_w, window if window > 0 else width)
        qkv = self.qkv(x)
        # What stands in the padding are zeros, before the projection.
        filler = self.qkv(torch.zeros_like(x[0, 0, :1])).squeeze(0) if window > 0 else qkv[0, 0, 0]
        # Nested, as TorchScript, which knows no autograd functions, skips the outer branch alone.
        if not is_scripting():  # noqa: SIM102
            if self._tiles(x):
                tiled: Tensor = self.proj(self._tiled(qkv, filler, rows, columns))
                return tiled
        if window > 0:
            windows = self._folded(partition(qkv, filler, window), rows, columns)
            y = assemble(windows, height, width)
        else:
            y = self._folded(qkv, rows, columns)
        projected: Tensor = self.proj(y)
        return projected

    def _tiles(self, x: Tensor) -> bool:
        if torch.compiler.is_compiling() or is_tracing():  # type: ignore[no-untyped-call]
            return False
        return self.form == "tiled" or (self.form == "auto" and x.device.type == "cpu")

    def _tiled(self, qkv: Tensor, filler: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        heads = (3, self.num_heads, -1)
        y: Tensor = TiledAttention.apply(
            torch.unflatten(qkv, -1, heads),
            torch.unflatten(filler, -1, heads),
            rows.to(qkv.dtype),  # autocast makes them differ
            columns.to(qkv.dtype),
            self.scale,
        )
        return y.flatten(-2)

    def _folded(self, qkv: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        batch, height, width, _ = qkv.shape
        parts = qkv.reshape(batch, height, width, 3, self.num_heads, -1).permute(3, 0, 4, 1, 2, 5)
        y = folded_attention(parts[0], parts[1], parts[2], rows, columns, self.scale)
        return y.permute(0, 2, 3, 1, 4).reshape(batch, height, width, -1)


class FastBlock(Block):  # type: ignore[misc]
    """SAM's block, whose attention cuts the windows: no other work is done on their padding."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.attn.__class__ = FastAttention
        self.attn.form = "auto"

    def forward(self, x: Tensor) -> Tensor:
        """Attend and project: (B, H, W, D) -> (B, H, W, D)."""
        x = x + self.attn(self.norm1(x), self.window_size)
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


def position_table(table: Tensor, size: int) -> Tensor:
    """Relative positions of all pairs: (2 L - 1, d) -> (size, size, d) as (query, key, feature).

    A table of another length is interpolated, as segment-anything's ``get_rel_pos`` does.
    """
    if table.shape[0] != 2 * size - 1:
        table = F.interpolate(table.t().unsqueeze(0), size=2 * size - 1, mode="linear")[0].t()
    places = torch.arange(size, device=table.device)
    return table[places[:, None] - places[None, :] + size - 1]


def folded_attention(
    q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor, scale: float
) -> Tensor:
    """Attention whose relative positions are further features, for a fused kernel.

    ::

        q' = [scale q, rel_h(q), rel_w(q)],  k' = [k, one-hot of the row, one-hot of the column]
        y  = softmax(q' k') v

    Args:
        q, k, v: (B, heads, H, W, d).
        rows: (H, H, d), relative positions as (query, key, feature).
        columns: (W, W, d), likewise.
        scale: of q k.

    Returns:
        (B, heads, H, W, d).
    """
    height, width, features = q.shape[2], q.shape[3], q.shape[4]
    rel_h = torch.einsum("bnhwc,hkc->bnhwk", q, rows)
    rel_w = torch.einsum("bnhwc,wkc->bnhwk", q, columns)
    like = torch.ones_like(k[..., :1])
    one_h = torch.eye(height, dtype=k.dtype, device=k.device)[:, None] * like
    one_w = torch.eye(width, dtype=k.dtype, device=k.device) * like
    q = torch.cat((q * scale, rel_h.to(q.dtype), rel_w.to(q.dtype)), dim=-1)
    k = torch.cat((k, one_h, one_w), dim=-1)
    pad = (-q.shape[-1]) % 8  # fused kernels want a multiple of 8
    beyond = q.shape[-1] + pad - features
    y = F.scaled_dot_product_attention(
        F.pad(q, (0, pad)).flatten(2, 3),
        F.pad(k, (0, pad)).flatten(2, 3),
        F.pad(v, (0, beyond)).flatten(2, 3),
        scale=1.0,
    )
    return torch.unflatten(y[..., :features], 2, (height, width))
