"""Ctrl-C is postponed, once."""

from __future__ import annotations

import signal
import threading

import pytest

from monai_cobot.pretraining.interrupt import postponed_interrupt


@pytest.fixture(autouse=True)
def _main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("Python takes signals in its main thread only")


def test_the_first_asks_and_the_second_breaks_in() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with postponed_interrupt() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def test_beside_the_main_thread_nothing_is_changed() -> None:
    handler, answers = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with postponed_interrupt() as asked:
            answers.append((asked(), signal.getsignal(signal.SIGINT) is handler))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [(False, True)]
