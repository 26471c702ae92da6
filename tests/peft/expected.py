"""Keys and counts of every method's own parameters, written down from the definitions."""

from __future__ import annotations

from tests.peft.models import DEPTH, small_encoder

PROJECTIONS = {"attn.qkv": 3, "attn.proj": 1, "mlp.lin1": 4, "mlp.lin2": 1}
NORMS = {"norm1": 1, "norm2": 1}
LORA = [f"{p}.{way}.weight" for p in "qv" for way in ("down", "up")]
ADAPTFORMER = [f"{part}.{kind}" for part in ("norm", "down", "up") for kind in ("weight", "bias")]
ATTENTION = ["qkv.weight", "qkv.bias", "proj.weight", "proj.bias", "rel_pos_h", "rel_pos_w"]
RUNG = [
    *("gate", "ladder.weight", "ladder.bias"),
    *(f"block.{norm}.{kind}" for norm in NORMS for kind in ("weight", "bias")),
    *(f"block.attn.{key}" for key in ATTENTION),
    *(f"block.mlp.{lin}.{kind}" for lin in ("lin1", "lin2") for kind in ("weight", "bias")),
]
SIDE_NECK = ["0.weight", "1.weight", "1.bias", "2.weight", "3.weight", "3.bias"]


def in_blocks(*keys: str) -> set[str]:
    return {f"blocks.{b}.{key}" for b in range(DEPTH) for key in keys}


BASE = set(small_encoder().state_dict())
KEYS: dict[str, set[str]] = {
    "freeze": set(),
    "lightweight": set(),
    "lora": in_blocks(*(f"attn.qkv.lora_{key}" for key in LORA)),
    "adaptformer": in_blocks(*(f"mlp.adapter.{key}" for key in ADAPTFORMER)),
    "dora": in_blocks(*(f"attn.qkv.dora_{key}" for key in (*LORA, "q.magnitude", "v.magnitude"))),
    "bitfit": in_blocks(*(f"{path}.bias" for path in PROJECTIONS | NORMS)),
    "ssf": in_blocks(
        *(f"{path}.ssf.{kind}" for path in PROJECTIONS | NORMS for kind in ("scale", "shift"))
    ),
    "attention_tuning": in_blocks(*(f"attn.{key}" for key in ATTENTION)),
    "vpt": in_blocks("prompts"),
    "lst": {
        *in_blocks(*(f"rung.{key}" for key in RUNG)),
        *("blocks.0.entry.weight", "blocks.0.entry.bias"),
        *(f"neck.side.{key}" for key in SIDE_NECK),
    },
    "full": BASE,
}
ORCHESTRATION_KEYS = {"coefficients_lm", "coefficients_mc", "relation_matrix", "blocks"}
VECTORS = {"bitfit", "ssf"}
"""Methods whose own parameters are frozen when they are orchestrated."""


def head(sites: int, hidden: int, width: int) -> int:
    """Parameters of an orchestration: two sets, the relation matrix, hyper-complex heads."""
    return 2 * sites * hidden + sites**2 + sites * width**2 // 4


def rung(d: int, side: int, window: int = 14) -> int:
    """Ladder and gate; a block of width d/4: norms, qkv, proj, MLP; relative positions."""
    block = 4 * side + 3 * side * (side + 1) + side * (side + 1) + 8 * side**2 + 5 * side
    return d * side + side + 1 + block + 2 * (2 * window - 1) * side // HEADS_OF[d]


HEADS_OF = {768: 12, 1024: 16, 1280: 16}
SIZES = {"vit_b": (768, 12), "vit_l": (1024, 24), "vit_h": (1280, 32)}
ENCODERS = {"vit_b": 89_670_912, "vit_l": 308_278_272, "vit_h": 637_026_048}


def expected_count(sam: str, method: str, orchestrate: bool) -> int:
    """Parameters, written down from the definitions."""
    d, blocks = SIZES[sam]
    lora = blocks * 2 * (4 * d + d * 4)
    if method == "attention_tuning":
        tables = 2 * d // HEADS_OF[d] * (4 * 127 + (blocks - 4) * 27)
        plain = blocks * (3 * d * (d + 1) + d * (d + 1)) + tables
        return plain + orchestrate * head(blocks, d, 16)
    if method == "lst":
        side, neck = d // 4, d // 4 * 256 + 9 * 256**2 + 4 * 256
        return blocks * rung(d, side) + d * side + side + neck
    return {
        "freeze": 0,
        "lightweight": 0,
        "lora": lora + orchestrate * head(2 * blocks, 4, 4),
        "adaptformer": blocks * (2 * d + d * 16 + 16 + 16 * d + d)
        + orchestrate * head(blocks, 16, 16),
        "dora": lora + 2 * d * blocks + orchestrate * head(2 * blocks, 4, 4),
        "bitfit": head(11 * blocks, d, 16) if orchestrate else 11 * d * blocks,
        "ssf": head(22 * blocks, d, 16) if orchestrate else 22 * d * blocks,
        "vpt": 11 * d * blocks,
        "full": ENCODERS[sam],
    }[method]


VIT_B = {
    ("freeze", False): 0,
    ("lightweight", False): 0,
    ("lora", False): 147_456,
    ("lora", True): 148_320,
    ("adaptformer", False): 322_752,
    ("adaptformer", True): 324_048,
    ("dora", False): 165_888,
    ("dora", True): 166_752,
    ("bitfit", False): 101_376,
    ("bitfit", True): 228_624,
    ("ssf", False): 202_752,
    ("ssf", True): 492_096,
    ("attention_tuning", False): 28_441_088,
    ("attention_tuning", True): 28_460_432,
    ("vpt", False): 101_376,
    ("lst", False): 7_908_172,
    ("full", False): 89_670_912,
}
