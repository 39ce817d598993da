"""What is wrong with a configuration, and what of it has no effect."""

from dataclasses import dataclass

WARNING = "warning"
INFO = "info"


class InvalidSetting(ValueError):
    """A value that a setting cannot have; the message names the option as the user wrote it."""

    def __init__(self, option: str, value: object, reason: str) -> None:
        super().__init__(f"{option}: '{value}' {reason}")
        self.option = option
        self.value = value


class UnknownSetting(InvalidSetting):
    """A name that no setting has; what it was to be may be a password, and is not in the message."""

    def __init__(self, option: str, value: object, hint: str) -> None:
        super().__init__(option, value, hint)
        self.args = (f"{option}: there is no such setting{hint}",)


class InvalidConfiguration(Exception):
    """What is wrong with the configuration, one line for each mistake: where it is, and what."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Notice:
    """Something for the log at start: keys, variables or files without effect, by the reason why."""

    level: str
    sentence: str
    reason: str
    names: tuple[str, ...]
