"""MONAI's Compose, for users who make mistakes."""

from __future__ import annotations

from typing import Any

from monai.transforms import Compose

from monai_cobot.errors import CobotError


class UserCompose(Compose):
    """MONAI's Compose, except that a CobotError comes out as itself.

    MONAI wraps whatever a transform raises into ``RuntimeError("applying transform ...")``, which
    hides the message that names the file and the remedy.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the transforms.

        Raises:
            CobotError: one of the transforms raised it.
        """
        try:
            return super().__call__(*args, **kwargs)
        except RuntimeError as error:
            mistake = _mistake_behind(error)
            if mistake is None:
                raise
        raise mistake


def _mistake_behind(error: BaseException | None) -> CobotError | None:
    while error is not None and not isinstance(error, CobotError):
        error = error.__cause__
    return error
