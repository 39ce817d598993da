"""Compiles the core with mypyc; everything else about the package is in pyproject.toml.

AMQPD_BUILD=interpreted  installs plain Python.
AMQPD_BUILD=compiled     makes a core that cannot be compiled an error.
unset                    compiles if it can, and says so if it cannot. Editable installs are interpreted.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

CORE_FILES = ("errors.py", "clock.py", "events.py", "message.py", "server/clock.py")
# pip runs this file several times; only these commands need the core translated
COMPILING_COMMANDS = {"bdist_wheel", "build", "build_ext", "install"}
CORE_ROOMS = ("wire", "store", "auth", "broker", "protocol")
MODES = ("interpreted", "compiled", "")


def say(message):
    print(f"amqpd: {message}", file=sys.stderr, flush=True)
    # pip shows the output of a build only when it fails or is asked to; a terminal always shows this
    try:
        with open("/dev/tty", "w") as terminal:
            terminal.write(f"amqpd: {message}\n")
    except OSError:
        return


def core_paths():
    """The files of the core, as paths relative to this one."""
    package = Path("amqpd")
    rooms = (path for room in CORE_ROOMS for path in (package / room).rglob("*.py"))
    files = (package / name for name in CORE_FILES)
    return sorted(str(path) for path in (*files, *rooms) if path.exists())


def compiler_is_there():
    if sys.platform == "win32":
        return True  # setuptools looks for it itself
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    return shutil.which(command.split()[0]) is not None


def core_extensions(required):
    """The extension modules of the core; none if they cannot be made and are not required."""
    if not required and not compiler_is_there():
        say("no C compiler found: installing interpreted, which is slower")
        return []
    try:
        from mypyc.build import mypycify

        extensions = mypycify(core_paths(), opt_level="3", group_name="amqpd_core")
    except (Exception, SystemExit) as error:
        if required:
            raise
        say(f"mypyc cannot translate the core ({error!r}): installing interpreted, which is slower")
        return []
    return extensions


class AllOrNothing(build_ext):
    """Builds every extension or none: half a compiled core would not import."""

    def run(self):
        try:
            super().run()
        except Exception as error:
            if MODE == "compiled":
                raise
            say(f"the C compiler failed ({type(error).__name__}): installing interpreted, which is slower")
            self._remove_built()
            self.extensions = []

    def _remove_built(self):
        for extension in self.extensions:
            for path in (Path(self.get_ext_fullpath(extension.name)), *self._in_build_directory(extension)):
                path.unlink(missing_ok=True)

    def _in_build_directory(self, extension):
        yield Path(self.build_lib) / self.get_ext_filename(self.get_ext_fullname(extension.name))


MODE = os.environ.get("AMQPD_BUILD", "")
if MODE not in MODES:
    sys.exit(f"AMQPD_BUILD: '{MODE}' is none of interpreted, compiled")

COMPILES = MODE != "interpreted" and bool(COMPILING_COMMANDS.intersection(sys.argv))

setup(
    ext_modules=core_extensions(required=MODE == "compiled") if COMPILES else [],
    cmdclass={"build_ext": AllOrNothing},
)
