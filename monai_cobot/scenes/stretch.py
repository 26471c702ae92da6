"""Values of any depth as bytes, by percentiles of the whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_cobot.errors import CobotError

DEFAULT_PERCENTILES = (2.0, 98.0)
"""Of scenes with more than 8 bits."""


@dataclass(frozen=True)
class Stretch:
    """The values that become 0 and 255, a band each; the same for all tiles."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def measured(
        cls, values: NDArray[Any], valid: NDArray[np.bool_], percentiles: tuple[float, float]
    ) -> Stretch:
        """By percentiles of the valid pixels.

        A band of which so much has one value that both percentiles are the same is stretched from
        its lowest to its highest value.

        Args:
            values: (bands, H, W).
            valid: (H, W), somewhere True.
            percentiles: two, 0..100.

        Raises:
            CobotError: percentiles that do not ascend within 0 to 100.
        """
        if not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise CobotError(
                f"stretch {percentiles[0]:g},{percentiles[1]:g}: give two ascending percentiles "
                "within 0 and 100"
            )
        found = values[:, valid].astype(np.float64)
        bounds = np.percentile(found, percentiles, axis=1)
        flat = bounds[0] == bounds[1]
        bounds[0, flat], bounds[1, flat] = found.min(axis=1)[flat], found.max(axis=1)[flat]
        return cls(tuple(bounds[0].tolist()), tuple(bounds[1].tolist()))

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Values (bands, H, W) as bytes, clipped and rounded; a constant band and NaN become 0."""
        low = np.array(self.low, np.float32)[:, None, None]
        span = np.array(self.high, np.float32)[:, None, None] - low
        scaled = (np.nan_to_num(values.astype(np.float32)) - low) / np.where(span > 0, span, np.inf)
        return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
