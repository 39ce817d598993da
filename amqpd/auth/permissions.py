"""What a user may do in one vhost: three patterns over names, and patterns over routing keys."""

from typing import Final

from amqpd.auth.patterns import permission_pattern
from amqpd.wire.patterns import as_bytes_text

CONFIGURE: Final = "configure"
WRITE: Final = "write"
READ: Final = "read"
DEFAULT_EXCHANGE: Final = "amq.default"  # what patterns see for the exchange named ""
CACHE_SIZE_NAMES: Final = 4096


class Rule:
    """One pattern, and the answers it has given: a repeated question costs one dictionary look-up."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError if the pattern is not a regular expression."""
        self.pattern = pattern
        self._expression = permission_pattern(pattern)
        self._answers: dict[str, bool] = {}

    def allows(self, name: str) -> bool:
        """True if the pattern is found anywhere in the name."""
        answer = self._answers.get(name)
        if answer is None:
            answer = self._expression.is_in(as_bytes_text(name))
            if len(self._answers) >= CACHE_SIZE_NAMES:
                self._answers.clear()
            self._answers[name] = answer
        return answer

    def cached_names(self) -> int:
        """How many answers are remembered; at most CACHE_SIZE_NAMES."""
        return len(self._answers)


class TopicPermission:
    """Patterns over the routing keys of one topic exchange, as written and as expanded for one user."""

    def __init__(self, write: str, read: str, variables: dict[str, str]) -> None:
        self.write = write
        self.read = read
        self.rules: dict[str, Rule] = {
            WRITE: Rule(expand(write, variables)),
            READ: Rule(expand(read, variables)),
        }


def expand(pattern: str, variables: dict[str, str]) -> str:
    """Replace {username}, {vhost}... in a topic pattern; an unknown {name} stays as it is.

    Values are inserted unescaped, so a user named "a.b" also matches "aXb" (RabbitMQ 3.10, observed).
    """
    for name, value in variables.items():
        pattern = pattern.replace("{" + name + "}", value)
    return pattern


class Permissions:
    """A user's permissions in one vhost.

    Patterns are regular expressions searched for anywhere in the name; an empty one means `^$`.
    """

    def __init__(self, configure: str, write: str, read: str) -> None:
        """Raises ValueError naming pattern and position if one is not a regular expression."""
        self._rules: dict[str, Rule] = {CONFIGURE: Rule(configure), WRITE: Rule(write), READ: Rule(read)}
        self.topics: dict[str, TopicPermission] = {}

    @property
    def configure(self) -> str:
        """Pattern of the names the user may declare and delete."""
        return self._rules[CONFIGURE].pattern

    @property
    def write(self) -> str:
        """Pattern of the exchanges the user may publish to and the queues the user may bind."""
        return self._rules[WRITE].pattern

    @property
    def read(self) -> str:
        """Pattern of the queues the user may consume from and the exchanges the user may bind to."""
        return self._rules[READ].pattern

    def rule(self, kind: str) -> Rule:
        """The rule for "configure", "write" or "read"; KeyError for another kind."""
        return self._rules[kind]

    def allows(self, kind: str, name: str) -> bool:
        """May the user configure, write or read the queue or exchange with this name?

        The default exchange, named "", is checked as "amq.default".
        """
        return self._rules[kind].allows(name or DEFAULT_EXCHANGE)

    def set_topic(self, exchange: str, write: str, read: str, variables: dict[str, str]) -> None:
        """Restrict routing keys on one topic exchange; variables are username and vhost.

        Raises ValueError if a pattern is not a regular expression, before and after expansion.
        """
        TopicPermission(write, read, {})
        self.topics[exchange] = TopicPermission(write, read, variables)

    def clear_topic(self, exchange: str) -> None:
        """Lift the restriction on one exchange; nothing happens if there is none."""
        self.topics.pop(exchange, None)

    def allows_topic(self, kind: str, exchange: str, routing_key: str) -> bool:
        """May the user write to, or bind for reading, this routing key? Yes if nothing was set.

        Only topic exchanges are to be asked about (RabbitMQ 3.10, observed).
        """
        topic = self.topics.get(exchange)
        return topic is None or topic.rules[kind].allows(routing_key)
