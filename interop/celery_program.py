"""A Celery application as people write them."""

from celery import Celery, Task, shared_task


def create_application(broker_url: str, prefix: str) -> Celery:
    """Every queue and exchange of the application begins with prefix."""
    application = Celery("interop", broker=broker_url, backend="rpc://")
    application.conf.update(
        task_default_queue=f"{prefix}.celery",
        control_exchange=f"{prefix}.control",
        event_exchange=f"{prefix}.celeryev",
        event_queue_prefix=f"{prefix}.celeryev",
        result_expires=30,  # the worker has a result queue too, and leaves it behind
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=False,
    )
    return application


def names_of(prefix: str) -> list[str]:
    """The durable queues and exchanges the application leaves behind."""
    control = f"{prefix}.control.pidbox"
    return [f"{prefix}.celery", f"{prefix}.celeryev", control, f"reply.{control}"]


@shared_task  # type: ignore[untyped-decorator]
def add(x: int, y: int) -> int:
    return x + y


@shared_task  # type: ignore[untyped-decorator]
def fail(text: str) -> None:
    raise ValueError(text)


@shared_task(bind=True, max_retries=3)  # type: ignore[untyped-decorator]
def succeed_at_the_third_try(self: Task) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    retries: int = self.request.retries
    return retries
