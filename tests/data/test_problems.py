"""Errors that are raised, or collected."""

from __future__ import annotations

import pytest

from monai_cobot.data.problems import Problem, Refused, aside, collected
from monai_cobot.errors import CobotError


def read(entries: list[str]) -> list[str]:
    good = []
    for entry in entries:
        with aside("odd", "list.txt", entry):
            if not entry.isalpha():
                raise CobotError(f"list.txt: {entry} is odd: mend it")
            good.append(entry)
    return good


def test_the_first_error_ends_a_training() -> None:
    with pytest.raises(CobotError, match=r"list\.txt: 1 is odd: mend it"):
        read(["a", "1", "2"])


def test_all_errors_are_collected_and_the_rest_is_read() -> None:
    with collected() as problems:
        assert read(["a", "1", "b", "2"]) == ["a", "b"]
    assert [(p.code, p.file, p.case) for p in problems] == [
        ("odd", "list.txt", "1"),
        ("odd", "list.txt", "2"),
    ]
    assert (problems[0].what, problems[0].remedy) == ("1 is odd", "mend it")
    with pytest.raises(CobotError):  # not collected any more
        read(["1"])


def test_other_errors_are_never_collected() -> None:
    with collected() as problems, pytest.raises(KeyError), aside("odd"):
        raise KeyError
    assert problems == []


def test_an_error_may_say_which_problem_it_is() -> None:
    with collected() as problems, aside("odd", "list.txt", "a"):
        raise Refused(Problem("gone", "b.txt is gone: restore it", "b.txt"))
    assert problems == [Problem("gone", "b.txt is gone: restore it", "b.txt", "a")]


@pytest.mark.parametrize(
    ("message", "what", "remedy"),
    [
        ("f.txt has 2: write 1", "has 2", "write 1"),
        ("f.txt, line 3: 'x' is none: mend it", "line 3: 'x' is none", "mend it"),
        ("f.txt and g.txt are empty: fill them", "f.txt and g.txt are empty", "fill them"),
        ("no remedy", "no remedy", ""),
    ],
)
def test_a_message_has_two_parts(message: str, what: str, remedy: str) -> None:
    problem = Problem("code", message, "f.txt")
    assert (problem.what, problem.remedy) == (what, remedy)
