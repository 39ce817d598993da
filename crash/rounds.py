"""The rounds: load, an end, a start, a comparison; and the balance after the last."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from crash import bodies, topology
from crash.broker import Broker, BrokerFailed, Program
from crash.client import Broken, Refused, Silent
from crash.defining import Definer
from crash.definitions import Definitions
from crash.inspecting import Inspection
from crash.ledger import Ledger
from crash.measuring import Allowance, check_size
from crash.plan import Ending, Life, Plan, plan
from crash.remaking import Remaker
from crash.streaming import StreamPublisher, StreamReader
from crash.topology import Topology
from crash.traffic import (
    AtOnce,
    Consumer,
    Fan,
    FanConsumer,
    Getter,
    Habits,
    Hoarder,
    Publisher,
    Taker,
    Trickle,
)
from crash.transacting import Transactor
from crash.worker import Scene, Worker

JOIN_TIMEOUT_S = 180


class Violated(Exception):
    """The ledger has violations."""


class Rounds:
    """Everything that persists over the rounds. Methods raise Violated as soon as anything is wrong."""

    def __init__(self, program: Program, kinds: Sequence[str], share: float) -> None:
        self.ledger = Ledger()
        self.kills = 0
        self.stops = 0
        self.confirmed: Counter[str] = Counter()
        """Messages by kind of load; those of what is in each round under ""."""
        self._program = program
        self._share = share
        self._topology = Topology(self.ledger, kinds)
        self._known = Definitions()
        self._life = 0

    def prepare(self) -> None:
        """Declare what all rounds use."""
        broker = self._start()
        try:
            self._topology.declare(broker.port)
            self._stop(broker, Ending.KILL_QUIET)
        finally:
            broker.kill_whatever_happened()

    def run(self, seed: int) -> Plan:
        """One round."""
        todo = plan(seed, self._topology.kinds, self._share)
        for number, life in enumerate(todo.lives):
            self._live(life, seed * 2 + number, todo.kinds)
        if todo.start_killed_after_s is not None:
            self._start_and_kill(todo.start_killed_after_s)
        self._copy_data()
        time.sleep(todo.pause_s)
        broker = self._start()
        try:
            chance = random.Random(f"inspection {seed}")
            self._inspect(broker, lambda inspection: inspection.some_of_everything(chance))
            # The next round begins with what this one left, and it must survive this end as well.
            self._stop(broker, Ending.TERMINATE if chance.random() < 0.3 else Ending.KILL_QUIET)
        finally:
            broker.kill_whatever_happened()
        self.check()
        return todo

    def balance(self, allowance: Allowance) -> str:
        """The last comparison: all is there, takes no more room than it may, and can be acked to the last message."""
        broker = self._start()
        try:
            time.sleep(self._longest_delay_s())
            self._inspect(broker, lambda inspection: inspection.all_queues(drain=False))
            self.check()
            line = check_size(self.ledger, self._program.data, allowance)
            self.check()
            self._stop(broker, Ending.TERMINATE)
        finally:
            broker.kill_whatever_happened()
        for _ in range(2):
            # All is acked the first time; the second time there must be nothing left.
            broker = self._start()
            try:
                self._inspect(broker, lambda inspection: inspection.all_queues(drain=True))
                self.check()
                self._stop(broker, Ending.TERMINATE)
            finally:
                broker.kill_whatever_happened()
            self.check()
        return line

    def check(self) -> None:
        """Raise Violated if anything was, or if the broker had to report a traceback."""
        said = self._program.stderr.read_text(errors="replace")
        if "Traceback (most recent call last)" in said:
            self.ledger.violated("traceback", str(self._program.stderr), said[-4000:])
        if self.ledger.violations:
            raise Violated

    def _inspect(self, broker: Broker, look: Callable[[Inspection], None]) -> None:
        try:
            look(Inspection(self.ledger, self._topology, self._known, broker, self._life))
        except (Broken, Refused, Silent) as error:
            self.ledger.violated(
                "unexpected", f"inspection in life {self._life}", f"{type(error).__name__}: {error}"
            )

    def _longest_delay_s(self) -> float:
        """Until nothing that is delayed may still be on its way."""
        queue = self._topology.queues.get(topology.DELAYED)
        if queue is None:
            return 0.0
        due = [entry.answered_s + bodies.delay_ms(entry.header) / 1000 for entry in queue.entries.values()]
        return max(max(due, default=0.0) - time.time(), 0.0)

    def _live(self, life: Life, seed: int, kinds: Collection[str]) -> None:
        broker = self._start()
        scene = Scene(
            self.ledger, self._topology, broker.port, self._life, seed, threading.Event(), threading.Event()
        )
        workers = self._workers(scene) + self._workers_of_kinds(scene, kinds)
        try:
            for worker in workers:
                worker.start()
            time.sleep(life.duration_s)
            if life.ending is Ending.KILL_QUIET:
                scene.stop.set()
                for worker in workers:
                    if not worker.quiet.wait(JOIN_TIMEOUT_S):
                        worker.violated("unexpected", "it does not get its answers")
            self._end(broker, life.ending)
        finally:
            broker.kill_whatever_happened()
            scene.stop.set()
            scene.ended.set()
        for worker in workers:
            if not worker.join(JOIN_TIMEOUT_S):
                worker.violated("unexpected", "it does not end")
            self.ledger.confirmed += worker.confirmed
            self.confirmed[worker.kind] += worker.confirmed
            self.ledger.delivered += worker.delivered
        self.ledger.end_life(self._life, life.ending is Ending.TERMINATE, time.time())
        self.check()

    def _workers(self, scene: Scene) -> list[Worker]:
        workers: list[Worker] = [
            Fan(scene, "fan"),
            FanConsumer(scene, "fan-consumer"),
            AtOnce(scene, "at-once"),
            Taker(scene, "taker"),
            Hoarder(scene, "hoarder"),
            Remaker(scene, "remaker"),
            Definer(scene, "definer", self._known),
            Publisher(scene, "second-publisher", topology.TURNOVER[0]),
            Getter(scene, "getter", topology.GOTTEN),
        ]
        large = random.Random(scene.seed)
        sizes = (200, 200_000, 1_000_000)
        workers.append(Getter(scene, "large", topology.LARGE, lambda: large.choices(sizes, (90, 8, 2))[0]))
        for number, queue in enumerate(topology.TURNOVER):
            workers.append(Publisher(scene, f"publisher-{number}", queue))
            workers.append(Consumer(scene, f"consumer-{number}", queue))
        for number in range(len(topology.TRANSACTED)):
            workers.append(Transactor(scene, f"transactor-{number}", number))
        return workers

    def _workers_of_kinds(self, scene: Scene, kinds: Collection[str]) -> list[Worker]:
        workers: list[Worker] = []
        for kind in sorted(kinds):
            workers_of_kind = _WORKERS_OF_KINDS[kind](scene)
            for worker in workers_of_kind:
                worker.kind = kind
            workers += workers_of_kind
        return workers

    def _start(self) -> Broker:
        self._life += 1
        try:
            return Broker(self._program)
        except BrokerFailed as failed:
            self._failed(failed)
            raise

    def _end(self, broker: Broker, ending: Ending) -> None:
        try:
            if ending is Ending.TERMINATE:
                broker.terminate()
                self.stops += 1
            else:
                broker.kill()
                self.kills += 1
        except BrokerFailed as failed:
            self._failed(failed)

    def _stop(self, broker: Broker, ending: Ending) -> None:
        """End a life without load."""
        self._end(broker, ending)
        self.ledger.end_life(self._life, ending is Ending.TERMINATE, time.time())
        self.check()

    def _failed(self, failed: BrokerFailed) -> None:
        self.ledger.violated("broker", f"life {self._life}", str(failed))
        self.check()

    def _start_and_kill(self, after_s: float) -> None:
        self._life += 1
        broker = Broker(self._program, await_ready=False)
        time.sleep(after_s)
        try:
            broker.kill()
        except BrokerFailed as failed:
            self._failed(failed)
        self.kills += 1
        self.ledger.end_life(self._life, now_s=time.time())

    def _copy_data(self) -> None:
        """Keep the data as the dead broker left it, instead of the round before: a failure may have to be looked at."""
        copy = self._program.directory / "before-restart"
        if copy.exists():
            shutil.rmtree(copy)
        if self._program.data.exists():
            # A socket can't be copied, and has nothing in it.
            shutil.copytree(self._program.data, copy, ignore=shutil.ignore_patterns("*.sock"))


def _dying(kind: str, habits: Habits) -> Callable[[Scene], list[Worker]]:
    """A queue, its consumer, and one of the queue for what died."""

    def workers(scene: Scene) -> list[Worker]:
        return [
            Publisher(scene, f"{kind}-publisher", kind),
            Consumer(scene, f"{kind}-consumer", kind, habits),
            Consumer(scene, f"{kind}-heir", topology.grave_of(kind)),
        ]

    return workers


def _dying_alone(kind: str) -> Callable[[Scene], list[Worker]]:
    """A queue without a consumer, and a consumer of the queue for what died."""

    def workers(scene: Scene) -> list[Worker]:
        return [
            Trickle(scene, f"{kind}-publisher", kind),
            Consumer(scene, f"{kind}-heir", topology.grave_of(kind)),
        ]

    return workers


def _ranked(scene: Scene) -> list[Worker]:
    return [
        Getter(scene, "ranked-getter", topology.RANKED),
        Trickle(scene, "ranked-publisher", topology.RANKED),
        Consumer(scene, "ranked-consumer", topology.RANKED),
    ]


def _delayed(scene: Scene) -> list[Worker]:
    return [
        Trickle(scene, "delayed-publisher", topology.DELAYED),
        Consumer(scene, "delayed-consumer", topology.DELAYED),
    ]


def _streaming(scene: Scene) -> list[Worker]:
    readers = [
        StreamReader(scene, f"{name}-reader", stream) for name, stream in scene.topology.streams.items()
    ]
    return [StreamPublisher(scene, "stream-publisher"), *readers]


_WORKERS_OF_KINDS: dict[str, Callable[[Scene], list[Worker]]] = {
    topology.REFUSED: _dying(topology.REFUSED, Habits(acks=0.35, rejects=0.55, acks_all=0.2)),
    topology.LASTING: _dying(topology.LASTING, Habits(acks=0.8, rejects=0.1)),
    topology.BRIEF: _dying_alone(topology.BRIEF),
    topology.CAPPED: _dying_alone(topology.CAPPED),
    topology.COUNTED: _dying(topology.COUNTED, Habits(acks=0.3, rejects=0.1, acks_all=0.2)),
    topology.ASSURED: _dying(topology.ASSURED, Habits(acks=0.4, rejects=0.2, acks_all=0.2)),
    topology.RANKED: _ranked,
    topology.DELAYED: _delayed,
    topology.STREAM: _streaming,
}
