"""Set the project up on this machine, then run it: python run.py report | test | lab | lock.

Standard library only; any Python from 3.8 can start it. The work itself is done by Python 3.13, 3.12
or 3.11, which is looked for on the machine. Everything is installed in the folder .venv.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
SCRIPTS = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = SCRIPTS / ("python.exe" if WINDOWS else "python")
STAMP = VENV / "mi-setup.json"

REPORT, DEVELOP = "requirements.lock", "requirements-dev.lock"  # the second holds all of the first
MINORS = (13, 12, 11)  # of Python 3, the wished for first

HELP = """\
python run.py report          set up, make the example's deliveries, run its reports, say where they are
python run.py test [--long]   set up and run the tests; what follows is handed to pytest
python run.py lab             set up and open the notebooks in JupyterLab
python run.py lock            write requirements.lock and requirements-dev.lock anew; --upgrade takes newer versions
"""


class Stop(Exception):
    """What is wrong and what to do, for the person who runs this."""


def main(arguments):
    """Run one verb; the exit status is that of the command behind it, 2 when it could not start."""
    verb, rest = arguments[0] if arguments else "", arguments[1:]
    if verb in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if verb not in VERBS:
        print((f"{verb} is not a verb here.\n" if verb else "") + HELP, end="", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    try:
        return VERBS[verb](rest)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command takes up again.", file=sys.stderr)
        return 130


def report(rest):
    """Run the example's reports."""
    set_up(REPORT)
    return become(SCRIPTS / "mi", "run", "parameters/example/monthly.yaml", *rest)


def test(rest):
    """Run pytest, a process per core, each with whole files of tests."""
    set_up(DEVELOP)
    return become(PYTHON, "-m", "pytest", "-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder", *rest)


def lab(rest):
    """Open JupyterLab."""
    set_up(REPORT)
    return become(PYTHON, "-m", "jupyterlab", "notebooks/00_start_here.ipynb", *rest)


def lock(rest):
    """Resolve for every supported Python and system at once; no address is written."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(SCRIPTS))
    if not uv:
        set_up(DEVELOP)
        uv = shutil.which("uv", path=str(SCRIPTS))
    resolve = [uv, "pip", "compile", "pyproject.toml", "--universal", "--python-version", f"3.{MINORS[-1]}"]
    resolve += [
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-header",
        "--no-annotate",
        "-q",
    ]
    report = ["--group", "build", "-o", REPORT]
    extras = [word for name in ("pdf", "dask", "postgresql", "spark") for word in ("--extra", name)]
    develop = ["--group", "dev", *extras, "-c", REPORT, "-o", DEVELOP]
    for target in (report, develop):
        if subprocess.call(resolve + target + rest, stdout=subprocess.DEVNULL):
            raise Stop(f"{target[-1]} could not be made; the reason stands above.")
    print(f"Wrote {REPORT} and {DEVELOP}.")
    return 0


VERBS = {"report": report, "test": test, "lab": lab, "lock": lock}


def become(*command):
    """Run the command in place of this one; its exit status is ours."""
    command = list(map(str, command))
    try:
        if not WINDOWS:
            os.execv(command[0], command)
        process = subprocess.Popen(command)
    except OSError:
        raise Stop(f"{command[0]} does not start. Remove the folder .venv and run the same command again.") from None
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command got it too and ends by itself
            pass


def set_up(lock_file):
    """Make .venv hold what the lock file lists, and the project; nothing is done when it does already."""
    place = {"folder": str(ROOT), "python": str(PYTHON.resolve())}
    wanted = {lock_file: digest(lock_file), "pyproject.toml": digest("pyproject.toml")}
    stamp = read_stamp()
    moved = any(stamp.get(name, value) != value for name, value in place.items())
    if not moved and PYTHON.exists() and stamp.items() >= wanted.items():
        return
    if moved or "unfinished" in stamp or not venv_works():
        make_venv()
        stamp = {}
    installed = {name: value for name, value in stamp.items() if name in (REPORT, DEVELOP)}
    if installed.get(lock_file) != wanted[lock_file]:
        say(f"Installing what {lock_file} lists; the first time takes a minute or so")
        install(installed, "--require-hashes", "-r", lock_file)
        installed = {lock_file: wanted[lock_file]}
        if lock_file == DEVELOP:
            installed[REPORT] = digest(REPORT)
    install(installed, "--no-deps", "--no-build-isolation", "-e", ".")
    place["python"] = str(PYTHON.resolve())
    write_stamp({**place, **wanted, **installed})


def install(installed, *what):
    """Install with uv where there is one, else with pip; an interruption leaves the mark "unfinished"."""
    write_stamp({"unfinished": True})
    if shutil.which("uv"):
        command = ["uv", "pip", "install", "-q", "--compile-bytecode"]
    else:
        command = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.call([*command, *what], stdout=sys.stderr, env=only_venv(os.environ)):
        write_stamp(installed)
        raise Stop(
            "The installation failed; the reason stands above. Mend it and run the same command again,"
            " or remove the folder .venv first if it keeps failing."
        )


def only_venv(environment):
    """The environment in which uv and pip install into .venv or not at all, never into the machine's Python."""
    elsewhere = ("UV_SYSTEM_PYTHON", "UV_PYTHON", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PYTHONHOME", "PYTHONPATH")
    kept = {name: value for name, value in environment.items() if name not in elsewhere}
    return {**kept, "VIRTUAL_ENV": str(VENV), "PIP_REQUIRE_VIRTUALENV": "1"}


def venv_works():
    """Whether .venv has a Python that runs and can be installed into."""
    return version_of(PYTHON, "" if shutil.which("uv") else "pip") >= (3, MINORS[-1])


def make_venv():
    """Make .venv, in place of the one that is there."""
    python = find_python()
    if os.path.lexists(VENV):
        say("Removing .venv, which is unfinished, moved or broken")
        try:
            shutil.rmtree(VENV)
        except OSError as error:
            raise Stop(f".venv cannot be removed ({error}). Close what uses it, remove it and try again.") from None
    say(f"Making .venv with {python}")
    VENV.mkdir()
    write_stamp({"unfinished": True})
    without_pip = ["--without-pip"] if shutil.which("uv") else []
    made = subprocess.run(
        [python, "-m", "venv", *without_pip, str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode:
        reason = made.stdout.decode(errors="replace").strip()
        raise Stop(
            f"{reason}\n{python} cannot make .venv; on Debian and Ubuntu the package python3-venv may be missing."
        )


def find_python():
    """The Python to work with: this one if it is supported, else the newest supported one on the machine."""
    this = getattr(sys, "_base_executable", None) or sys.executable
    if sys.version_info[0] == 3 and sys.version_info[1] in MINORS:
        return this
    for minor in MINORS:
        for path in candidates(f"3.{minor}"):
            if version_of(path) == (3, minor):
                return str(path)
    if sys.version_info[:2] > (3, MINORS[0]):
        return this
    here = ".".join(map(str, sys.version_info[:3]))
    raise Stop(
        "This needs Python 3.13, 3.12 or 3.11 and none was found on this machine"
        f" (this is {here}): install one and run the same command again."
    )


def candidates(version):
    """Where a Python may be: on PATH, by the Windows launcher, pyenv's, uv's. Not all that is named runs."""
    yield from filter(None, map(shutil.which, ("python" + version, "python3", "python")))
    if WINDOWS:
        yield answer("py", "-" + version, "-c", "import sys; print(sys.executable)")
    homes = (os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv", Path.home() / ".pyenv" / "pyenv-win")
    for home in filter(None, homes):
        for folder in sorted(Path(home, "versions").glob(version + ".*"), reverse=True):
            yield folder / ("python.exe" if WINDOWS else "bin/python3")
    yield answer("uv", "python", "find", "--system", "--no-python-downloads", version)


def version_of(python, *modules):
    """Major and minor version as the program itself says; () when it does not run or lacks a module."""
    said = answer(
        python, "-c", f"import {', '.join(('sys', 'venv', *filter(None, modules)))}; print(*sys.version_info[:2])"
    )
    return tuple(map(int, said.split()))


def answer(*command):
    """What a command prints; "" when it is not there or fails."""
    try:
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip()


def read_stamp():
    """What .venv was found to hold when it was last set up."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError):
        return {"unfinished": True}


def write_stamp(stamp):
    """Say what .venv holds from now on."""
    STAMP.write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def digest(name):
    """The fingerprint of a file of the project."""
    try:
        return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
    except OSError:
        raise Stop(f"The file {name} is missing beside run.py; fetch the project again.") from None


def say(line):
    """One line about what takes time."""
    print(line + " ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
