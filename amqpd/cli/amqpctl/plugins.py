"""The commands of rabbitmq-plugins: what is there anyway, and what is served when the broker starts again."""

import os
import re
from pathlib import Path

from amqpd.cli.amqpctl.api import Refused, Unreachable
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.node import RABBITMQ_VERSION
from amqpd.cli.amqpctl.outcome import EXIT_DATA, EXIT_SOFTWARE, Failure, Outcome, Row, Shown, UsageFailure
from amqpd.cli.amqpctl.place import data_dir_of
from amqpd.cli.amqpctl.words import FLAG
from amqpd.config.plugins import BUILT_IN, IMPLIED, KNOWN, SWITCHED, enabled_in, file_of, write_enabled

PLUGINS = "Plugin Management"
MODES = {"online": FLAG, "offline": FLAG}
MODES_EXPLAINED = (
    ("--online", "accepted; changes are applied when the broker starts again"),
    ("--offline", "accepted; the file of enabled plugins is changed"),
)


def _file(call: Call) -> Path:
    return file_of(os.environ, data_dir_of(call.options, os.environ))


def _running(call: Call) -> list[str] | None:
    """What is served now, None if the broker cannot be asked."""
    try:
        served = [str(name) for name in call.api.get("nodes", call.node)["enabled_plugins"]]
    except (Unreachable, Refused):
        return None
    return _with_implied(served)


def _with_implied(switched: list[str]) -> list[str]:
    """All that is there if these are enabled."""
    implied = IMPLIED if SWITCHED.keys() & set(switched) else {}
    return sorted({*BUILT_IN, *switched, *implied})


def _enabled(call: Call) -> list[str]:
    """What the file has enabled, of what can be."""
    return [name for name in enabled_in(_file(call)) if name in SWITCHED]


# Listing


def _list(call: Call) -> Outcome:
    pattern = call.arguments[0] if call.arguments else ".*"
    running = _running(call)
    enabled = {*BUILT_IN, *_enabled(call), *(set(running or []) - IMPLIED.keys())}
    implied = set(_with_implied(list(enabled))) - enabled
    names = [
        name
        for name in sorted(KNOWN)
        if re.search(pattern, name)
        and (not call.flag("enabled") or name in enabled)
        and (not call.flag("implicitly-enabled") or name in enabled | implied)
    ]
    rows = [_row(name, enabled, implied, running or []) for name in names]
    kind = "minimal" if call.flag("minimal") else "verbose" if call.flag("verbose") else "normal"
    told = {
        "format": kind,
        "status": "node_down" if running is None else "running",
        "plugins": [{"name": row["name"]} for row in rows] if kind == "minimal" else rows,
    }
    return Shown("\n".join([*_legend(call, kind, running), *_lines(rows, kind)]), told)


def _row(name: str, enabled: set[str], implied: set[str], running: list[str]) -> Row:
    state = "enabled" if name in enabled else "implicit" if name in implied else "not_enabled"
    is_running = name in running
    return {
        "name": name,
        "version": RABBITMQ_VERSION,
        "running_version": RABBITMQ_VERSION if is_running else None,
        "enabled": state,
        "running": is_running,
    }


def _legend(call: Call, kind: str, running: list[str] | None) -> list[str]:
    if kind == "minimal" or call.is_silent:
        return []
    status = (
        f"[failed to contact {call.node} - status not shown]"
        if running is None
        else f"* = running on {call.node}"
    )
    return [" Configured: E = explicitly enabled; e = implicitly enabled", f" | Status: {status}", " |/"]


def _lines(rows: list[Row], kind: str) -> list[str]:
    if kind == "minimal":
        return [row["name"] for row in rows]
    width = max((len(row["name"]) for row in rows), default=0)
    lines: list[str] = []
    for row in rows:
        sign = {"enabled": "E", "implicit": "e"}.get(row["enabled"], " ") + ("*" if row["running"] else " ")
        if kind == "normal":
            lines.append(f"[{sign}] {row['name']:{width}} {row['version']}")
            continue
        lines += [
            f"[{sign}] {row['name']}",
            f"     Version:     \t{row['version']}",
            "     Dependencies:\t[]",
            f"     Description: \t{KNOWN[row['name']]}",
        ]
    return lines


def _one_look(call: Call) -> None:
    if call.flag("verbose") and call.flag("minimal"):
        raise UsageFailure("Bad argument: Cannot set both verbose and minimal", EXIT_DATA)
    try:
        re.compile(call.arguments[0] if call.arguments else "")
    except re.error as error:
        raise UsageFailure(
            f"Bad argument: the pattern is not a regular expression: {error}", EXIT_DATA
        ) from error


def _list_banner(call: Call) -> str:
    return f'Listing plugins with pattern "{call.arguments[0] if call.arguments else ".*"}" ...'


def _is_enabled(call: Call) -> Outcome:
    is_offline = call.flag("offline")
    running = _with_implied(_enabled(call)) if is_offline else _running(call)
    if running is None:
        call.api.get("overview", query="columns=node")
        running = []
    where = "" if is_offline else f" on node {call.node}"
    missing = [name for name in call.arguments if name not in running]
    if missing:
        text = f"{_capitalized(_named(missing))} not enabled{where}. Enabled plugins and dependencies: {', '.join(running)}"
        raise Failure(text, told={"result": "error", "message": text})
    text = f"{_capitalized(_named(call.arguments))} enabled{where}"
    return Shown(text, {"result": "ok", "message": text})


def _named(names: list[str]) -> str:
    return f"plugin {names[0]} is" if len(names) == 1 else f"plugins {', '.join(names)} are"


def _capitalized(text: str) -> str:
    return text[0].upper() + text[1:]


def _is_enabled_banner(call: Call) -> str:
    if call.flag("offline"):
        return f"Inferring if {_named(call.arguments)} from local environment..."
    return f"Asking node {call.node} if {_named(call.arguments)} enabled..."


# Changing


def _known(names: list[str]) -> None:
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        raise Failure(f"{{:plugins_not_found, [{', '.join(f':{name}' for name in unknown)}]}}", EXIT_SOFTWARE)


def _enable(call: Call) -> Outcome:
    names = list(SWITCHED) if call.flag("all") else call.arguments
    _known(names)
    before = _enabled(call)
    wanted = [name for name in names if name in SWITCHED]
    return _changed(call, before, sorted({*before, *wanted}), "enabled")


def _disable(call: Call) -> Outcome:
    before = _enabled(call)
    unwanted = SWITCHED if call.flag("all") else call.arguments
    return _changed(call, before, [name for name in before if name not in unwanted], "disabled")


def _set(call: Call) -> Outcome:
    _known(call.arguments)
    wanted = sorted({name for name in call.arguments if name in SWITCHED})
    return _changed(call, _enabled(call), wanted, "")


def _changed(call: Call, before: list[str], after: list[str], what: str) -> Outcome:
    """Write the file if anything is different, and tell what."""
    different = sorted({*before} ^ {*after})
    if different:
        file = _file(call)
        try:
            write_enabled(file, after)
        except OSError as error:
            raise Failure(f"{file}: {error.strerror}", EXIT_DATA) from error
    configured = _with_implied(after)
    lines = [
        "The following plugins have been configured:",
        *(f"  {name}" for name in configured),
        f"Applying plugin configuration to {call.node}...",
    ]
    if not different:
        return Shown("\n".join([*lines, "Plugin configuration unchanged."]))
    if what:
        lines += [f"The following plugins have been {what}:", *(f"  {name}" for name in different), ""]
    lines += [
        f"set {len(configured)} plugins.",
        "Offline change; changes will take effect at broker restart.",
    ]
    return Shown("\n".join(lines))


def _one_mode(call: Call) -> None:
    if call.flag("online") and call.flag("offline"):
        raise UsageFailure("Bad argument: Cannot set both online and offline", EXIT_DATA)


def _some_or_all(call: Call) -> None:
    if call.arguments and call.flag("all"):
        raise UsageFailure("Bad argument: Cannot set both --all and a list of plugins", EXIT_DATA)
    if not call.arguments and not call.flag("all"):
        raise UsageFailure("not enough arguments.")
    _one_mode(call)


def _banner(call: Call, doing: str) -> str:
    if call.flag("all"):
        return f"{doing} ALL plugins on node {call.node}"
    return "\n".join([f"{doing} plugins on node {call.node}:", *call.arguments])


def _directories(call: Call) -> Outcome:
    told = {"enabled_plugins_file": str(_file(call)), "plugins_dir": "", "plugins_expand_dir": ""}
    lines = [
        "Plugin archives directory: ",
        "Plugin expansion directory: ",
        f"Enabled plugins file: {told['enabled_plugins_file']}",
    ]
    return Shown("\n".join(lines), told)


def _directories_banner(call: Call) -> str:
    if call.flag("offline"):
        return "Listing plugin directories inferred from local environment..."
    return f"Listing plugin directories used by node {call.node}"


COMMANDS = [
    Command(
        "list",
        PLUGINS,
        "list [pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]",
        "Lists plugins and their state",
        _list,
        _list_banner,
        0,
        1,
        {"verbose": FLAG, "minimal": FLAG, "enabled": FLAG, "implicitly-enabled": FLAG},
        {"v": "verbose", "m": "minimal", "E": "enabled", "e": "implicitly-enabled"},
        check=_one_look,
        explained=(
            ("<pattern>", "only list plugins that match a regular expression pattern"),
            ("--verbose", "output more information"),
            (
                "--minimal",
                "only print plugin names. Most useful in combination with --silent and --enabled.",
            ),
            ("--enabled", "only list enabled plugins"),
            ("--implicitly-enabled", "include plugins enabled as dependencies of other plugins"),
        ),
    ),
    Command(
        "is_enabled",
        PLUGINS,
        "is_enabled <plugin1> [ <plugin2>] [--offline] [--online]",
        "Health check that exits with a non-zero code if provided plugins are not enabled on target node",
        _is_enabled,
        _is_enabled_banner,
        1,
        None,
        MODES,
        check=_one_mode,
    ),
    Command(
        "enable",
        PLUGINS,
        "enable <plugin1> [ <plugin2>] | --all [--offline] [--online]",
        "Enables one or more plugins",
        _enable,
        lambda call: _banner(call, "Enabling"),
        0,
        None,
        {**MODES, "all": FLAG},
        check=_some_or_all,
        explained=(
            ("<plugin1> [ <plugin2>]", "names of plugins to enable separated by a space"),
            *MODES_EXPLAINED,
            ("--all", "enable all available plugins"),
        ),
    ),
    Command(
        "disable",
        PLUGINS,
        "disable <plugin1> [ <plugin2>] | --all [--offline] [--online]",
        "Disables one or more plugins",
        _disable,
        lambda call: _banner(call, "Disabling"),
        0,
        None,
        {**MODES, "all": FLAG},
        check=_some_or_all,
        explained=(
            ("<plugin1> [ <plugin2>]", "names of plugins to disable separated by a space"),
            *MODES_EXPLAINED,
            ("--all", "disable all currently enabled plugins"),
        ),
    ),
    Command(
        "set",
        PLUGINS,
        "set <plugin1> [ <plugin2>] [--offline] [--online]",
        "Enables one or more plugins, disables the rest",
        _set,
        lambda call: _banner(call, "Enabling"),
        0,
        None,
        MODES,
        check=_one_mode,
        explained=(
            (
                "<plugin1> [ <plugin2>]",
                "names of plugins to enable separated by a space. All other plugins will be disabled.",
            ),
            *MODES_EXPLAINED,
        ),
    ),
    Command(
        "directories",
        PLUGINS,
        "directories [--offline] [--online]",
        "Displays plugin directory and enabled plugin file paths",
        _directories,
        _directories_banner,
        options=MODES,
        check=_one_mode,
    ),
]
