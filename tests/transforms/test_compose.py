from __future__ import annotations

import pytest

from monai_cobot.errors import CobotError
from monai_cobot.transforms import UserCompose


def fail(error: Exception):
    def transform(data: object) -> object:
        raise error

    return transform


def test_a_mistake_keeps_its_message_through_nested_composes() -> None:
    nested = UserCompose([UserCompose([fail(CobotError("mend the file"))])])
    with pytest.raises(CobotError, match=r"^mend the file$"):
        nested({"a": 1})


def test_other_errors_are_wrapped_as_monai_does() -> None:
    with pytest.raises(RuntimeError, match="applying transform"):
        UserCompose([fail(KeyError("a"))])({"a": 1})
