"""Drawings with known masks, made endlessly and reproducibly from numbers alone.

They train the small SAM that the package ships. Nothing in them is anatomy, and no photograph or
scan has a part in them: shapes, textures, shadows and noise are drawn at random.
"""

from monai_cobot.drawings.scene import Drawing, draw

__all__ = ["Drawing", "draw"]
