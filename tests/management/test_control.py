"""What administrators ask of the node as a whole: who may, what makes no sense, and what is done then."""

from __future__ import annotations

from typing import Any

import pytest

from amqpd.management.node import CannotDo

NODE = "/nodes/rabbit%40here"


class FakeNode:
    """A `Node` that notes what it is asked, and refuses everything after `refusal` is set."""

    def __init__(self) -> None:
        self.is_running = True
        self.is_drained = False
        self.process_id = 7
        self.asked: list[Any] = []
        self.refusal = ""

    def _note(self, *asked: Any) -> None:
        if self.refusal:
            raise CannotDo(self.refusal)
        self.asked.append(asked[0] if len(asked) == 1 else asked)

    def stop(self) -> None:
        self._note("stop")

    async def stop_app(self) -> None:
        self._note("stop_app")

    async def start_app(self) -> None:
        self._note("start_app")

    async def reset(self) -> None:
        self._note("reset")

    async def drain(self) -> None:
        self._note("drain")

    async def revive(self) -> None:
        self._note("revive")

    async def suspend_listeners(self) -> None:
        self._note("suspend_listeners")

    async def resume_listeners(self) -> None:
        self._note("resume_listeners")

    def set_memory_limit(self, **limit: float) -> None:
        self._note("memory", limit)

    def set_disk_free_limit(self, **limit: float) -> None:
        self._note("disk", limit)

    def set_log_level(self, level: str) -> None:
        self._note("log", level)

    def rotate_logs(self) -> None:
        self._note("rotate_logs")

    def environment(self) -> dict[str, object]:
        return {"port": 5672}


@pytest.fixture
def node(api: Any) -> FakeNode:
    node = FakeNode()
    api.site.node = "rabbit@here"
    api.site.control = node
    return node


@pytest.mark.parametrize(
    "action",
    [
        "stop-app",
        "start-app",
        "reset",
        "drain",
        "revive",
        "suspend-listeners",
        "resume-listeners",
        "rotate-logs",
    ],
)
def test_administrators_let_the_node_act(api: Any, node: FakeNode, action: str):
    answer = api.call("POST", f"{NODE}/{action}", {})
    assert (answer.status, answer.body) == (204, b"")
    assert node.asked == [action.replace("-", "_")]
    api.add_user("anna", "monitoring", "policymaker")
    assert api.call("POST", f"{NODE}/{action}", {}, user="anna").status == 401
    assert api.call("GET", f"{NODE}/{action}").status == 405
    assert api.call("POST", f"/nodes/other/{action}", {}).status == 404
    assert len(node.asked) == 1
    node.refusal = "not today"
    assert api.call("POST", f"{NODE}/{action}", {}).error == (409, "conflict", "not today")


def test_nobody_stops_the_program_over_tcp(api: Any, node: FakeNode):
    answer = api.call("POST", f"{NODE}/stop", {})
    assert answer.error == (401, "not_authorised", "Only over the broker's UNIX socket")
    assert node.asked == []


@pytest.mark.parametrize(("path", "what"), [("memory-limit", "memory"), ("disk-free-limit", "disk")])
def test_limits_are_sizes_or_parts_of_memory(api: Any, node: FakeNode, path: str, what: str):
    assert api.put(f"{NODE}/{path}", {"absolute": 1000}) == 204
    assert api.put(f"{NODE}/{path}", {"relative": 0.5}) == 204
    assert api.put(f"{NODE}/{path}", {"relative": 1}) == 204
    assert node.asked == [(what, {"size_bytes": 1000}), (what, {"fraction": 0.5}), (what, {"fraction": 1.0})]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"absolute": 1, "relative": 1},
        {"absolute": "1GB"},
        {"absolute": True},
        {"relative": None},
        {"relative": [1]},
        {"size": 1},
        {"relative": 10**400},
    ],
)
def test_a_limit_that_is_none_is_refused(api: Any, node: FakeNode, body: dict[str, object]):
    status, error, _reason = api.call("PUT", f"{NODE}/memory-limit", body).error
    assert (status, error) == (400, "bad_request")
    assert node.asked == []


def test_a_number_that_is_none_is_refused(api: Any, node: FakeNode):
    assert api.call("PUT", f"{NODE}/memory-limit", raw=b'{"relative": NaN}').status == 400
    assert api.call("PUT", f"{NODE}/memory-limit", raw=b'{"absolute": 1e999}').status == 400
    assert node.asked == []


def test_the_level_of_the_log(api: Any, node: FakeNode):
    assert api.put(f"{NODE}/log-level", {"level": "debug"}) == 204
    assert node.asked == [("log", "debug")]
    assert api.put(f"{NODE}/log-level", {"level": 1}) == 400
    assert api.put(f"{NODE}/log-level", {}) == 400
    node.refusal = "there is no such level"
    assert api.call("PUT", f"{NODE}/log-level", {"level": "loud"}).error[2] == "there is no such level"


def test_monitors_see_how_the_node_is(api: Any, node: FakeNode):
    api.add_user("anna", "monitoring")
    api.add_user("bert", "management")
    told = {"running": True, "being_drained": False, "os_pid": 7}
    assert api.get(f"{NODE}/state", user="anna") == told
    assert api.call("GET", f"{NODE}/state", user="bert").status == 401
    assert api.call("GET", f"{NODE}/environment", user="anna").status == 401
    assert api.get(f"{NODE}/environment") == {"port": 5672}


def test_the_node_is_not_running_while_amqp_is_not_served(api: Any, node: FakeNode):
    assert api.get(NODE)["running"] is True
    assert "being_drained" not in api.get(NODE)
    node.is_running, node.is_drained = False, True
    assert api.get(NODE)["running"] is False
    assert api.get(NODE)["being_drained"] is True


def test_where_nobody_can_do_anything_that_is_said(api: Any):
    answer = api.call("POST", f"/nodes/{api.site.node.replace('@', '%40')}/drain", {})
    assert (answer.status, answer.json["error"]) == (409, "conflict")
