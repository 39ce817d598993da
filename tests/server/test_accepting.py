"""What is left to the event loop when there is no room for one more connection."""

import asyncio
import errno
import os

from amqpd.server.accepting import CANNOT_ACCEPT, LoopErrors
from amqpd.testing import RecordedEvents


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time a test sets, and that remembers what it would log."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.logged: list[dict[str, object]] = []
        super().__init__()

    def time(self) -> float:
        return self.now_s

    def default_exception_handler(self, context: dict[str, object]) -> None:
        self.logged.append(context)


def test_that_there_is_no_room_is_told_once_a_second_however_often_it_is_found():
    events = RecordedEvents()
    loop = Loop()
    loop.set_exception_handler(LoopErrors(events))
    for now_s in (100.0, 100.5, 101.5):
        loop.now_s = now_s
        for _ in range(1000):
            error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            loop.call_exception_handler(
                {"message": "socket.accept() out of system resource", "exception": error}
            )
    loop.close()
    assert events.told == 2 * [("error", CANNOT_ACCEPT, {"reason": "Too many open files"})]
    assert loop.logged == []


def test_anything_else_is_for_the_log_of_the_event_loop():
    loop = Loop()
    loop.set_exception_handler(LoopErrors(RecordedEvents()))
    for context in ({"message": "x"}, {"message": "y", "exception": OSError(errno.EIO, "z")}):
        loop.call_exception_handler(context)
    loop.close()
    assert [context["message"] for context in loop.logged] == ["x", "y"]
