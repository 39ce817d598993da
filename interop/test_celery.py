"""Celery with a real worker process and the rpc:// result backend."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery, chain, group
from celery.exceptions import TaskRevokedError

from interop import celery_program
from interop.broker import REPOSITORY, Broker
from interop.names import Names

START_LIMIT_S = 60.0
RESULT_LIMIT_S = 60.0


@pytest.fixture(scope="module")
def celery_names(broker: Broker) -> Iterator[Names]:
    with Names(broker) as names:
        for name in celery_program.names_of(names.prefix):
            names.also_remove(name)
        yield names


@pytest.fixture(scope="module")
def application(
    broker: Broker, celery_names: Names, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Celery]:
    """The application, with a worker that answers; SIGTERM must end the worker with code 0."""
    prefix = celery_names.prefix
    log_path = tmp_path_factory.mktemp("celery") / "worker.log"
    command = [sys.executable, "-m", "interop.celery_worker", broker.url, prefix]
    with log_path.open("wb") as log, celery_program.create_application(broker.url, prefix) as application:
        celery_names.also_remove(application.thread_oid)  # the queue of this process's results
        worker = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "C_FORCE_ROOT": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_worker(application, worker, log_path)
            yield application
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0, log_path.read_text()
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


def wait_for_worker(application: Celery, worker: "subprocess.Popen[bytes]", log_path: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and worker.poll() is None:
        if application.control.ping(timeout=0.5, limit=1):
            return
    pytest.fail(f"the worker did not start:\n{log_path.read_text()}")


def test_a_result_comes_back(application: Celery) -> None:
    assert celery_program.add.delay(2, 3).get(timeout=RESULT_LIMIT_S) == 5


def test_many_results_come_back_each_to_its_call(application: Celery) -> None:
    calls = [celery_program.add.delay(number, 1000) for number in range(50)]
    assert [call.get(timeout=RESULT_LIMIT_S) for call in calls] == list(range(1000, 1050))


def test_an_error_in_the_task_is_raised_at_the_caller(application: Celery) -> None:
    with pytest.raises(ValueError, match="on purpose"):
        celery_program.fail.delay("on purpose").get(timeout=RESULT_LIMIT_S)


def test_a_chain_hands_each_result_on(application: Celery) -> None:
    steps = chain(celery_program.add.s(1, 2), celery_program.add.s(10), celery_program.add.s(100))
    assert steps().get(timeout=RESULT_LIMIT_S) == 113


def test_a_group_returns_its_results_in_order(application: Celery) -> None:
    members = group(celery_program.add.s(number, number) for number in range(10))
    assert members().get(timeout=RESULT_LIMIT_S) == [2 * number for number in range(10)]


def test_a_task_that_retries_succeeds_in_the_end(application: Celery) -> None:
    assert celery_program.succeed_at_the_third_try.delay().get(timeout=RESULT_LIMIT_S) == 2


def test_a_countdown_delays_a_task(application: Celery) -> None:
    begin = time.monotonic()
    assert celery_program.add.apply_async((1, 1), countdown=1).get(timeout=RESULT_LIMIT_S) == 2
    assert time.monotonic() - begin >= 1


def test_ping_is_broadcast_and_answered(application: Celery) -> None:
    [answer] = application.control.ping(timeout=RESULT_LIMIT_S, limit=1)
    assert list(answer.values()) == [{"ok": "pong"}]


def test_inspect_shows_the_queue_the_worker_reads(application: Celery) -> None:
    [queues] = application.control.inspect(timeout=RESULT_LIMIT_S, limit=1).active_queues().values()
    assert [queue["name"] for queue in queues] == [application.conf.task_default_queue]


def test_a_revoked_task_is_not_run(application: Celery) -> None:
    task_id = str(uuid.uuid4())
    [answer] = application.control.revoke(task_id, reply=True, timeout=RESULT_LIMIT_S, limit=1)
    assert "ok" in next(iter(answer.values()))
    with pytest.raises(TaskRevokedError):
        celery_program.add.apply_async((1, 1), task_id=task_id).get(timeout=RESULT_LIMIT_S)
