"""What tests share: where the samples are, and which tests need something this machine may not have."""

import contextlib
import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _folder(variable: str) -> str:
    folder = os.environ.get(variable, "")
    if not folder:
        return f"{variable} is not set"
    return "" if Path(folder).is_dir() else f"{variable} names no folder"


def _program(*names: str) -> str:
    return "" if any(map(shutil.which, names)) else f"no {names[0]} found"


def _pango() -> str:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        return f"weasyprint or Pango is missing ({type(error).__name__})"
    return ""


def _postgresql() -> str:
    return "" if postgresql_programs() else "no initdb found"


def postgresql_programs() -> Path | None:
    """Folder of the server's programs: on PATH, or where Debian puts those of each version."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


# marker -> its name in the closing line, and what is missing for it here ("" when nothing is)
NEEDS: dict[str, tuple[str, Callable[[], str]]] = {
    "real_data": ("real data", lambda: _folder("MI_REAL_DATA")),
    "shared": ("shared reference cases", lambda: _folder("MI_SHARED")),
    "browser": ("browser", lambda: _program(*CHROMIUM)),
    "pango": ("Pango", _pango),
    "postgresql": ("PostgreSQL", _postgresql),
    "java": ("Java", lambda: _program("java")),
    "disk": (
        "disk of its own",
        lambda: "" if sys.platform == "linux" and os.geteuid() == 0 else "only root on Linux can make one",
    ),
    "checkers": ("checkers of pages", lambda: _folder("MI_NODE_MODULES")),  # axe-core and vnu-jar, see .ci/run
}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "msedge")


@cache
def missing(marker: str) -> str:
    """Name and reason, when this machine lacks what the marker asks for."""
    name, find = NEEDS[marker]
    reason = find()
    return f"{name} ({reason})" if reason else ""


def require(marker: str) -> None:
    """Skip the test when its need is not met; fail it where everything has to be there."""
    lack = missing(marker)
    if lack and os.environ.get("MI_REQUIRE_ALL") == "1":
        pytest.fail(f"MI_REQUIRE_ALL is set, so nothing may be missing, but this is: {lack}.", pytrace=False)
    if lack:
        pytest.skip(lack)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests that take hours, too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes long; runs only with --long")
    config.addinivalue_line("markers", "thorough: more than the quick tier has time for; runs in CI and with --long")
    for marker, (name, _) in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: needs {name}; skipped where it is missing")


ROOMS_THAT_TAKE_LONGEST = ("notebooks", "workbench", "cli", "batch", "disclosure", "measures", "model")
"""Given out first, so that no process is left with a long file at the end while another has nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        room = item.path.parent.name
        return ROOMS_THAT_TAKE_LONGEST.index(room) if room in ROOMS_THAT_TAKE_LONGEST else len(ROOMS_THAT_TAKE_LONGEST)

    items.sort(key=turn)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("long") and not item.config.getoption("--long"):
        pytest.skip("long (run with --long)")
    in_full = item.config.getoption("--long") or os.environ.get("MI_REQUIRE_ALL") == "1"
    if item.get_closest_marker("thorough") and not in_full:
        pytest.skip("thorough (run in CI and with --long)")
    for marker in NEEDS:
        if item.get_closest_marker(marker):
            require(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the skips by reason in one line."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.write_line(
            "Skipped: " + ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) + "."
        )


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def finished() -> Callable[[Path], dict[Path, tuple[int, int, str]]]:
    """What of a run's outputs must never change again."""
    from mi_analysis.batch.record import Record

    def files_of(outputs: Path) -> dict[Path, tuple[int, int, str]]:
        """Files of the reports that the records call finished: inode, time, and what they hold."""
        records = [Record.read(folder) for folder in outputs.glob("2025-0?/[0-9]*")]
        assert None not in records
        files = {
            record.folder / output["file"]: output["sha256"]
            for record in records for job in record.finished().values() for output in job["outputs"]
        }  # fmt: skip
        assert {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == files
        return {file: (file.stat().st_ino, file.stat().st_mtime_ns, sha256) for file, sha256 in files.items()}

    return files_of


@dataclass(frozen=True)
class SmallAgency:
    """Eksempelstyrelsen with ten offices over 13 months: a project of its own, what is true of it, and its model."""

    root: Path
    truth: Any
    prepared: Any


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], Any]], tuple[Path, Any]]:
    """Makes a folder once for all processes of the tests; each gets a copy of its own, and what the maker returned."""
    from mi_analysis.workbench.preparation import one_at_a_time

    own = tmp_path_factory.getbasetemp()
    of_all = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made_once(name: str, make: Callable[[Path], Any]) -> tuple[Path, Any]:
        folder, copy = of_all / f"{name}-made", tmp_path_factory.mktemp(name)
        with one_at_a_time(folder):
            if not (folder / "returned").exists():
                shutil.rmtree(folder / "made", ignore_errors=True)
                (folder / "made").mkdir()
                (folder / "returned").write_bytes(pickle.dumps(make(folder / "made")))
        shutil.copytree(folder / "made", copy, dirs_exist_ok=True)
        return copy, pickle.loads((folder / "returned").read_bytes())

    return made_once


@pytest.fixture(scope="session")
def small_agency(made_once: Callable[[str, Callable[[Path], Any]], tuple[Path, Any]]) -> SmallAgency:
    """Made and built once; look, do not touch."""
    from mi_analysis import synthetic
    from mi_analysis.workbench import prepare

    def make(root: Path) -> Any:
        shutil.copytree(HERE.parent / "parameters" / "example", root / "parameters" / "example")
        truth = synthetic.make(root / "outputs" / "example" / "deliveries", units=10, months=13)
        prepare("example", start=root)
        return truth

    root, truth = made_once("agency", make)
    return SmallAgency(root, truth, prepare("example", start=root))


@dataclass(frozen=True)
class Seen:
    """What a browser found on a page: violations of axe, requests beyond the page itself, width at 320 pixels."""

    violations: list[tuple[str, str]]
    requests: list[str]
    narrow: int


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The machine's own Chromium, without a window. While it stands, an event loop runs in its thread."""
    from playwright.sync_api import sync_playwright

    program = next(found for found in map(shutil.which, CHROMIUM) if found)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def warehouse() -> Iterator[str]:
    """Address of a PostgreSQL server of the tests' own, which sorts as Danes do, on a socket in a temporary folder."""
    require("postgresql")
    programs = postgresql_programs()
    assert programs
    folder = Path(tempfile.mkdtemp(prefix="mi-pg-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.name == "posix" and os.geteuid() == 0 else []  # it refuses root
    if as_user:
        shutil.chown(folder, "postgres")

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(programs / program), "--pgdata", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        danish = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=da")
        call("initdb", "--auth=trust", "--username=mi", "--no-sync", *danish)
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all with_secret scram-sha-256\n" + rules.read_text("utf-8"), "utf-8")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        call("pg_ctl", "--log", str(folder / "log"), "--options", options, "--wait", "start")
        yield f"postgresql:///postgres?host={folder}&user=mi"
        call("pg_ctl", "--mode=immediate", "--wait", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def browser() -> Iterator[Any]:
    """A browser for one test."""
    require("browser")
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def look() -> Iterator[Callable[[Path], Seen]]:
    """Opens a page with every detail unfolded, and asks axe: WCAG 2.2 A and AA, and best practice.

    In a thread of its own, whose event loop does not stand in the way of the notebooks that tests run.
    """
    require("browser")
    require("checkers")
    axe = (Path(os.environ["MI_NODE_MODULES"]) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    opened = chromium()

    def seen(file: Path) -> Seen:
        page, requests = browser.new_page(bypass_csp=True), []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.absolute().as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
        page.evaluate(axe)
        found = page.evaluate("rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", rules)
        page.set_viewport_size({"width": 320, "height": 800})
        narrow = page.evaluate("document.documentElement.scrollWidth")
        page.close()
        violations = [(rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]]
        return Seen(violations, [one for one in requests[1:] if not one.startswith("data:")], narrow)

    with ThreadPoolExecutor(1) as alone:
        browser = alone.submit(opened.__enter__).result()
        yield lambda file: alone.submit(seen, file).result()
        alone.submit(opened.__exit__, None, None, None).result()


@pytest.fixture(scope="session")
def html_errors() -> Callable[..., list[str]]:
    """Errors that the Nu validator finds in pages."""
    require("java")
    require("checkers")
    jar = Path(os.environ["MI_NODE_MODULES"]) / "vnu-jar" / "build" / "dist" / "vnu.jar"

    def html_errors(*files: Path) -> list[str]:
        command = ["java", "-jar", str(jar), "--format", "json", *map(str, files)]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        found = json.loads(told)["messages"]
        return [f"{Path(one['url']).name}: {one['message']}" for one in found if one["type"] != "info"]

    return html_errors


@pytest.fixture(scope="session")
def faults(look: Callable[[Path], Seen], html_errors: Callable[..., list[str]]) -> Callable[[Path], list[str]]:
    """What is wrong with the pages below a folder (`latest.html`, which only leads on, left out)."""

    def faults(folder: Path) -> list[str]:
        pages = sorted(page for page in folder.rglob("*.html") if page.name != "latest.html")
        assert pages, f"there is no page below {folder}"
        found = [(page, look(page)) for page in pages]
        told = [f"{page.name}: {item}" for page, seen in found for item in (*seen.violations, *seen.requests)]
        wide = [f"{page.name}: {seen.narrow} pixels wide" for page, seen in found if seen.narrow > 320]
        return [*told, *wide, *html_errors(*pages)]

    return faults


@pytest.fixture(scope="session")
def plain() -> Callable[[Any], str]:
    """An executed notebook as text that another run of it gives again."""

    def plain(book: Any) -> str:
        """Cells without times, numbers of processes and random names; what a stream says in one piece."""
        names: dict[str, str] = {}
        cells = []
        for cell in book.cells:
            outputs, streams = [], {"stdout": "", "stderr": ""}
            for output in cell.get("outputs", []):
                if output.output_type == "stream":  # two roads, in pieces of any length
                    streams[output.name] += output.text
                else:
                    outputs.append(dict(output))
            outputs.append(streams)
            number = (
                None if "SIGSEGV" in cell.source else cell.get("execution_count")
            )  # told, or died before it was told
            cells.append((cell.source, number, outputs, "exception" in str(cell.metadata.get("papermill"))))
        widgets = book.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
        models = sorted(
            (model["model_name"], model["state"].get("outputs"), model["state"].get("value"))
            for model in widgets.values()
        )
        text = repr((cells, models, book.metadata.get("language_info")))
        text = re.sub(
            r"ipykernel_\d+/\d+|at-(None|mi)|0x[0-9a-f]+|CPU times.*?\\nWall|(?<=time: )[^\\]*|(?<=pid=)\d+", "*", text
        )
        return re.sub(r"[0-9a-f]{32}", lambda found: names.setdefault(found[0], f"name {len(names)}"), text)

    return plain


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's folder."""
    return HERE.parent


@pytest.fixture(scope="session")
def samples() -> Path:
    """Invented exports of Danish systems; expected.json holds the right answers."""
    return HERE / "samples"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Cases with known answers, a folder each with case.json."""
    return HERE / "reference"


@pytest.fixture(scope="session")
def glossary() -> Path:
    """Words in Danish and English, with what they mean."""
    return HERE / "glossary.csv"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets."""
    require("real_data")
    return Path(os.environ["MI_REAL_DATA"]).resolve()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the reference cases that are not the project's to pass on."""
    require("shared")
    return Path(os.environ["MI_SHARED"]).resolve()
