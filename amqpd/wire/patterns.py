"""Regular expressions: PCRE as RabbitMQ understands it, run by Python's re.

RabbitMQ searches bytes, not characters (observed in 3.10: `^..$` matches the one letter "é"). So
pattern and name are both turned into one character per UTF-8 byte before they meet.
The spellings of PCRE that Python lacks or reads differently are translated; what remains untranslatable,
such as `(?i)` in the middle of a pattern, is refused with a ValueError rather than matched differently.
"""

import re
import warnings
from typing import Final

_BLANKS: Final = "\\t \\xa0"
_LINE_ENDS: Final = "\\n\\x0b\\x0c\\r\\x85"

# PCRE as Erlang has it knows the letters of Latin-1, and takes its no-break space for none (observed, byte by byte).
_LETTERS: Final = "A-Za-z\\xaa\\xb5\\xba\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\xff"
_NO_LETTERS: Final = "\\xa0-\\xa9\\xab-\\xb4\\xb6-\\xb9\\xbb-\\xbf\\xd7\\xf7"
_WORD: Final = f"0-9_{_LETTERS}"
_NOT_WORD: Final = f"\\x00-/:-@\\[-\\^`{{-\\x9f{_NO_LETTERS}"
_SPACE: Final = "\\t-\\r "
_NOT_SPACE: Final = "\\x00-\\x08\\x0e-\\x1f!-\\xff"

_ESCAPES: Final[dict[str, str]] = {
    "z": "\\Z",
    "Z": "(?=\\n?\\Z)",
    "G": "\\A",  # every match starts at the front of the name
    "K": "",  # only moves the start of the match, which nobody asks for
    "E": "",
    "N": "[^\\n]",
    "R": f"(?:\\r\\n|[{_LINE_ENDS}])",
    "e": "\\x1b",
    "h": f"[{_BLANKS}]",
    "H": f"[^{_BLANKS}]",
    "v": f"[{_LINE_ENDS}]",
    "V": f"[^{_LINE_ENDS}]",
    "w": f"[{_WORD}]",
    "W": f"[^{_WORD}]",
    "s": f"[{_SPACE}]",
    "S": f"[^{_SPACE}]",
}
_ESCAPES_IN_SET: Final[dict[str, str]] = {
    "E": "",
    "e": "\\x1b",
    "h": _BLANKS,
    "v": _LINE_ENDS,
    "w": _WORD,
    "W": _NOT_WORD,
    "s": _SPACE,
    "S": _NOT_SPACE,
}

_POSIX_SETS: Final[dict[str, str]] = {
    "alnum": f"0-9{_LETTERS}",
    "alpha": _LETTERS,
    "ascii": "\\x00-\\xff",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f-\\x9f",
    "digit": "0-9",
    "graph": "!-\\~\\xa0-\\xff",
    "lower": "a-z\\xaa\\xb5\\xba\\xdf-\\xf6\\xf8-\\xff",
    "print": " -\\~\\xa0-\\xff",
    "punct": f"!-/:-@\\[-`{{-\\~{_NO_LETTERS}",
    "space": _SPACE,
    "upper": "A-Z\\xc0-\\xd6\\xd8-\\xde",
    "word": _WORD,
    "xdigit": "0-9A-Fa-f",
}
_QUANTIFIER: Final = re.compile(r"\{\d+(?:,\d*)?\}")
_SET_OPERATORS: Final = "[&|~"  # Python may give these a meaning inside a set one day


def as_bytes_text(text: str) -> str:
    """The text with one character per UTF-8 byte; bytes that were not UTF-8 come back as they were."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


class _Translation:
    """One pass over a PCRE pattern; remembers where each piece came from, for error messages."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0
        self.pieces: list[str] = []
        self.origins: list[int] = []
        self.in_set = False

    def run(self) -> str:
        while self.position < len(self.pattern):
            self._step()
        return "".join(self.pieces)

    def origin_of(self, translated_position: int) -> int:
        """The position in the original pattern of a position in the translated one."""
        end = 0
        for piece, origin in zip(self.pieces, self.origins, strict=True):
            end += len(piece)
            if translated_position < end:
                return origin
        return len(self.pattern)

    def _put(self, piece: str, consumed: int) -> None:
        self.pieces.append(piece)
        self.origins.append(self.position)
        self.position += consumed

    def _step(self) -> None:
        character = self.pattern[self.position]
        if character == "\\":
            self._escape()
        elif self.in_set:
            self._set_member(character)
        elif character == "[":
            self._open_set()
        elif character == "{" and not _QUANTIFIER.match(self.pattern, self.position):
            self._put("\\{", 1)  # plain text to PCRE, and something else to others
        elif self._is_named_group():
            self._put("(?P<", 3)
        else:
            self._put(character, 1)

    def _is_named_group(self) -> bool:
        rest = self.pattern[self.position : self.position + 4]
        return rest.startswith("(?<") and rest not in ("(?<=", "(?<!")

    def _escape(self) -> None:
        escaped = self.pattern[self.position + 1 : self.position + 2]
        if escaped == "Q":
            self._quoted()
        elif escaped == "x" and self.pattern.startswith("{", self.position + 2):
            self._hexadecimal()
        else:
            table = _ESCAPES_IN_SET if self.in_set else _ESCAPES
            self._put(table.get(escaped, "\\" + escaped), 1 + len(escaped))

    def _quoted(self) -> None:
        start = self.position + 2
        end = self.pattern.find("\\E", start)
        text = self.pattern[start:] if end < 0 else self.pattern[start:end]
        self._put(re.escape(text), len(text) + (2 if end < 0 else 4))

    def _hexadecimal(self) -> None:
        start = self.position + 3
        end = self.pattern.find("}", start)
        digits = self.pattern[start:end] if end >= 0 else ""
        if not 1 <= len(digits) <= 2 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raise re.error("bad character code", self.pattern, self.position)
        self._put("\\x" + digits.zfill(2), 4 + len(digits))

    def _open_set(self) -> None:
        self.in_set = True
        opening = "["
        if self.pattern.startswith("^", self.position + 1):
            opening = "[^"
        consumed = len(opening)
        if self.pattern.startswith("]", self.position + consumed):
            consumed += 1
            opening += "\\]"  # a bracket that comes first is a member
        self._put(opening, consumed)

    def _set_member(self, character: str) -> None:
        if self.pattern.startswith("[:", self.position):
            end = self.pattern.find(":]", self.position)
            if end >= 0:
                self._posix_set(self.pattern[self.position + 2 : end])
                return
        self.in_set = character != "]"
        self._put("\\" + character if character in _SET_OPERATORS else character, 1)

    def _posix_set(self, name: str) -> None:
        if name not in _POSIX_SETS:
            raise re.error("unknown POSIX class name", self.pattern, self.position)
        self._put(_POSIX_SETS[name], len(name) + 4)


_UNRECOGNISED: Final = "unrecognized character after (? or (?-"
_NO_SUCH_GROUP: Final = "reference to non-existent subpattern"

_IN_PCRES_WORDS: Final[tuple[tuple[str, str, int | None], ...]] = (
    ("nothing to repeat", "nothing to repeat", 0),
    ("multiple repeat", "nothing to repeat", 0),
    ("missing ), unterminated subpattern", "missing )", None),
    ("missing ), unterminated comment", "missing ) after comment", None),
    ("unbalanced parenthesis", "unmatched parentheses", 0),
    ("unterminated character set", "missing terminating ] for character class", None),
    ("bad escape (end of pattern)", "\\ at end of pattern", None),
    ("unknown extension", _UNRECOGNISED, 1),
    ("unexpected end of pattern", _UNRECOGNISED, None),
    ("missing -, : or )", _UNRECOGNISED, None),
    ("unknown POSIX class name", "unknown POSIX class name", 2),
    ("invalid group reference", _NO_SUCH_GROUP, None),
    ("unknown group name", _NO_SUCH_GROUP, 1),
    ("redefinition of group name", "two named subpatterns have the same name", 1),
    ("bad character in group name", "group name must start with a non-digit", 0),
    ("look-behind requires fixed-width pattern", "lookbehind assertion is not fixed length", 0),
)
"""How Python's message begins, what PCRE says instead, and how much further on; None is at the end of the pattern."""


class InvalidPattern(ValueError):
    """A pattern that is no regular expression: what is wrong in Python's words, and where, in bytes from 0."""

    def __init__(self, pattern: str, problem: str, position: int) -> None:
        super().__init__(f"invalid pattern '{pattern}' at position {position}: {problem}")
        self.pattern = pattern
        self.problem = problem
        self.position = position

    def pcre_error(self) -> tuple[str, int]:
        """The error and its position as PCRE would have it, where that is known (RabbitMQ 3.10, observed)."""
        size = len(as_bytes_text(self.pattern))
        if self.problem.startswith("bad character range "):
            members = self.problem.removeprefix("bad character range ")
            is_class = members.rpartition("-")[2].startswith("\\")
            text = "invalid range in character class" if is_class else "range out of order in character class"
            return text, self.position + len(members) - 1
        if self.problem == "min repeat greater than max repeat":
            closing = as_bytes_text(self.pattern).find("}", self.position)
            return "numbers out of order in {} quantifier", closing
        for beginning, text, offset in _IN_PCRES_WORDS:
            if self.problem.startswith(beginning):
                return text, size if offset is None else self.position + offset
        return self.problem, self.position


def compile_pcre(pattern: str) -> re.Pattern[str]:
    """Compile a pattern; match it with `search` on the name's `as_bytes_text`. Raises InvalidPattern."""
    translation = _Translation(as_bytes_text(pattern))
    try:
        translated = translation.run()
    except re.error as error:
        raise InvalidPattern(pattern, error.msg, error.pos or 0) from None
    try:
        with warnings.catch_warnings():
            # what future versions of Python may read otherwise is of no interest here
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(translated)
    except re.error as error:
        raise InvalidPattern(pattern, error.msg, translation.origin_of(error.pos or 0)) from None
    except (RecursionError, OverflowError):
        raise InvalidPattern(pattern, "too complex", 0) from None
