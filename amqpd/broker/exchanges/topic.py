"""Topic exchanges: routing keys as words, matched with a trie."""

from __future__ import annotations

from typing import Final, final

from amqpd.broker.binding import Binding, BindingKey, Destination
from amqpd.broker.exchange import Exchange
from amqpd.message import Message
from amqpd.wire.fields import Table

ONE_WORD: Final = "*"
ANY_WORDS: Final = "#"


@final
class Node:
    """What may follow after some words of a pattern, and the bindings whose pattern ends here."""

    def __init__(self, any_words: bool) -> None:
        self.any_words = any_words
        """Reached by `#`, so that it stays reached whatever word comes."""
        self.next_words: dict[str, Node] = {}
        self.ending: dict[BindingKey, Destination] = {}


class Topic(Exchange):
    """`*` stands for exactly one word, `#` for zero or more (3.1.3.3).

    Words are what stands between dots and may be empty, but an empty routing key has no words
    (RabbitMQ 3.10, observed: `a.*` matches `a.`, and `*` does not match the empty key).
    """

    exchange_type = "topic"

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        self._root = Node(False)

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """Walk the trie; the work depends on the words of the key, not on the number of bindings."""
        reached = [self._root]
        _add_any_words(reached)
        for word in words(routing_key):
            reached = _following(reached, word)
        return [destination for node in reached for destination in node.ending.values()]

    def index(self, binding: Binding) -> None:
        node = self._root
        for word in words(binding.routing_key):
            following = node.next_words.get(word)
            if following is None:
                following = Node(word == ANY_WORDS)
                node.next_words[word] = following
            node = following
        node.ending[binding.key] = binding.destination

    def unindex(self, binding: Binding) -> None:
        path = [self._root]
        pattern = words(binding.routing_key)
        for word in pattern:
            path.append(path[-1].next_words[word])
        del path[-1].ending[binding.key]
        for depth in range(len(pattern), 0, -1):
            if path[depth].ending or path[depth].next_words:
                break
            del path[depth - 1].next_words[pattern[depth - 1]]


def words(routing_key: str) -> list[str]:
    """The words of a routing key or pattern."""
    return routing_key.split(".") if routing_key else []


def _following(reached: list[Node], word: str) -> list[Node]:
    """The nodes one word further; each stands there once, so that many `#` can't multiply the work."""
    following: list[Node] = []
    for node in reached:
        for step in (word, ONE_WORD):
            child = node.next_words.get(step)
            if child is not None and child not in following:
                following.append(child)
        if node.any_words and node not in following:
            following.append(node)
    _add_any_words(following)
    return following


def _add_any_words(reached: list[Node]) -> None:
    """Add what `#` reaches with no word at all."""
    for node in reached:
        child = node.next_words.get(ANY_WORDS)
        if child is not None and child not in reached:
            reached.append(child)
