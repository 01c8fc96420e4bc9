"""Notebooks run by a forked kernel end as papermill's own engine ends them, cell by cell, also the hard ones."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest
from papermill.engines import papermill_engines
from traitlets.config import Config

from mi_analysis.batch import warm_engine, worker
from mi_analysis.batch.notebook import imports

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

HARD = {
    "error": ["x = 1", "def f():\n    return 1 / 0\nf()", "print('not reached')"],
    "error that is expected": [("1 / 0", "raises-exception"), "print('reached')"],
    "widget": [
        "import ipywidgets as widgets\nout = widgets.Output()\nslider = widgets.IntSlider(3)\nslider",
        "with out:\n    print('inside')\nslider.value = 7\nout",
    ],
    "display id": [
        "from IPython.display import display\nhandle = display('first', display_id='d')",
        "handle.update('second')\ndisplay('third', display_id='d')",
    ],
    "clear output": [
        "from IPython.display import clear_output, display\nprint('a')\nclear_output()\nprint('b')",
        "display(1)\nclear_output(wait=True)\ndisplay(2)",
    ],
    "async cell": [
        "import asyncio\nfrom contextvars import ContextVar\nkept = ContextVar('kept')\nkept.set(5)\nqueue = asyncio.Queue()",
        "task = asyncio.create_task(queue.put('later'))\nprint(await queue.get(), kept.get())",
        "await asyncio.sleep(0)\nasync def f():\n    raise KeyError('x')\nawait f()",
    ],
    "child process": [
        "import subprocess, sys\nprint('before', flush=True)\nsubprocess.run(['echo', 'from a child'])\nimport time; time.sleep(0.5)\nprint('after')",
        "!echo magic; exit 3\n_exit_code",
        "import os\npid = os.fork()\nif not pid:\n    print('forked')\n    os._exit(0)\nos.waitpid(pid, 0)[1]",
        "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(2) as pool:\n    print(pool.map(abs, [-1, -2]))",
    ],
    "C-level print": [
        "import os, time\nos.write(1, b'out\\n')\nos.write(2, b'err\\n')\ntime.sleep(0.5)",
        "print('next')",
    ],
    "exit": ["print('a')", "exit()\nimport time; time.sleep(0.5)", "print('after exit')"],
    "end of the process": [
        "print('a', flush=True)\nimport time; time.sleep(0.5)\nimport os; os._exit(3)",
        "print('b')",
    ],
    "segfault": ["import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "print('b')"],
    "interrupt": ["import time\nprint('a', flush=True)\ntime.sleep(60)", "print('after')"],
    "big output": [
        "print('x' * 3_000_000)",
        "from IPython.display import HTML\nHTML('<p>' + 'y' * 2_000_000 + '</p>')",
    ],
    "many lines": ["import sys\nfor i in range(3000):\n    print(i)\n    print(i, file=sys.stderr)"],
    "random state": [
        "import random\nimport numpy as np\nrandom.seed(1); np.random.seed(1)\nprint(random.random(), np.random.rand())",
        "print(np.random.default_rng(2).normal(), len({hash(str(i)) for i in range(9)}))",
    ],
    "threads": [
        "import threading\nt = threading.Thread(target=print, args=('in a thread',))\nt.start(); t.join()",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(4) as pool:\n    print(sorted(pool.map(abs, range(-9, 0))))",
    ],
    "history and names": [
        "1 + 1",
        "print(_, In[1], Out[1], __name__)\nimport sys\nprint(sys.argv[0][-21:], sys.flags.safe_path, sys.path[0] == '')",
        "%time 1\n%who_ls",
        "!pwd",
    ],
    "figure and frame": [
        "%matplotlib inline\nimport pandas as pd\nimport matplotlib.pyplot as plt\nframe = pd.DataFrame({'a': [1.0, None]})\nframe",
        "fig, ax = plt.subplots()\nframe.plot(ax=ax)\nprint(plt.get_backend())",
    ],
    "environment and folder": [
        "import os\nprint(os.environ['MI_TEST'], os.environ['TERM'], os.environ['MPLBACKEND'])\nos.environ['MI_TEST'] = 'changed'",
        "os.mkdir('below'); os.chdir('below'); print(os.path.basename(os.getcwd()))",
    ],
    "warnings and logging": [
        "import logging, warnings\nwarnings.warn('careful')\nlogging.getLogger('a').warning('logged')",
        "import sys\nprint('to stderr', file=sys.stderr)\ninput('?')",
    ],
    "what is not Python": ["%%bash\necho from bash", "%%html\n<b>x</b>", "this is no Python"],
}


@pytest.fixture(autouse=True, scope="module")
def _registered():
    papermill_engines.register("mi", warm_engine.Engine)


def notebook(*cells) -> nbformat.NotebookNode:
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}}
    )
    for number, cell in enumerate(cells):
        text, *tags = (cell,) if isinstance(cell, str) else cell
        book.cells.append(nbformat.v4.new_code_cell(text, id=f"c{number}", metadata={"tags": tags}))
    return book


def executed(engine: str | None, book, folder: Path, **options):
    """The executed notebook, and the name of what was raised."""
    result, raised = folder / f"{engine}.ipynb", ""
    place = folder / f"at-{engine}"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mi-") as sockets:  # over ports, two kernels can be given the same one
        config = Config({"KernelManager": worker._transport(Path(sockets) / "k")})
        try:
            papermill.execute_notebook(
                book, result, engine_name=engine, progress_bar=False, cwd=place, config=config, **options
            )
        except Exception as error:
            raised = type(error).__name__
    return nbformat.read(result, 4), raised


@pytest.mark.parametrize("name", HARD)
def test_a_hard_notebook_ends_as_with_papermills_own_engine(name, plain, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MI_TEST", "given")
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # where it is set, ipykernel does not watch what is written past Python
    options = {"timeout": 2, "interrupt_on_timeout": True} if "interrupt" in name else {}

    ours = executed("mi", notebook(*HARD[name]), tmp_path, **{"timeout": 120} | options)
    for _ in range(3):  # papermill's own kernels now and then lose the message that a cell has ended, and wait for ever
        stock = executed(None, notebook(*HARD[name]), tmp_path, **{"timeout": 30} | options)
        if stock[1] != "CellTimeoutError" or options:
            break
        shutil.rmtree(tmp_path / "at-None")

    assert ours[1] == stock[1]
    assert plain(ours[0]) == plain(stock[0])
    assert "engine mi:" not in caplog.text


def test_a_second_notebook_sees_nothing_of_the_first(tmp_path):
    cells = [
        "import pandas as pd\nimport os",
        "pd.options.display.max_rows, getattr(os, 'left', None)",
        "pd.options.display.max_rows = 3\nos.left = 1",
    ]

    results = [executed("mi", notebook(*cells), tmp_path)[0].cells[1].outputs for _ in range(2)]

    assert results[0] == results[1]
    assert results[0][0].data["text/plain"] == "(60, None)"


def test_random_numbers_differ_from_notebook_to_notebook(tmp_path):
    cells = ["import random\nimport numpy as np", "random.random(), np.random.rand()"]

    first, second = (
        executed("mi", notebook(*cells), tmp_path)[0].cells[1].outputs[0].data["text/plain"] for _ in range(2)
    )

    assert [a != b for a, b in zip(first.split(","), second.split(","), strict=True)] == [True, True]


def test_imports_that_print_or_start_threads_are_left_to_the_notebook(tmp_path):
    (tmp_path / "at-mi").mkdir()
    (tmp_path / "at-mi" / "loud.py").write_text("print('loud')")
    (tmp_path / "at-mi" / "busy.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    )

    book, _ = executed(
        "mi",
        notebook(
            "import sys\nimport json",
            "import loud\nimport busy",
            "import threading\n'json' in sys.modules, threading.active_count()",
        ),
        tmp_path,
    )

    assert book.cells[1].outputs[0].text == "loud\n"
    assert book.cells[2].outputs[0].data["text/plain"] == "(True, 3)"  # main, the watch of the kernel, and the busy one


def test_what_is_imported_is_seen_without_running():
    book = notebook(
        "%matplotlib inline\nimport a.b, c as d\nfrom e import f as g\nfrom . import h\ntry:\n    import i\nexcept ImportError:\n    import j",
        "%%bash\nimport k",
        "d.x(g.y, a.z)\ndef later():\n    import l",
        "import os\nos.environ['A'] = 'b'\nimport m",
        "import n",
    )

    assert imports(book) == ["a.b", "c", "e:f", "i", "c:x", "e.f:y", "a:z"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"TESTED": ("0.",)}, "it is not tested with ipykernel"),
        ({"COMMAND": ["/no/python"]}, "no kernel could be forked"),
        ({"COMMAND": ["/bin/false"]}, "no kernel could be forked"),
    ],
)
def test_what_it_does_not_apply_to_papermills_own_engine_runs(change, told, tmp_path, monkeypatch, caplog):
    for name, value in change.items():
        monkeypatch.setattr(warm_engine, name, value)

    book, raised = executed("mi", notebook("1 + 1", f"# {change}\nimport json"), tmp_path)

    assert (raised, book.cells[0].outputs[0].data["text/plain"]) == ("", "2")
    assert f"engine mi: {told}" in caplog.text
    assert caplog.text.count("papermill's own engine runs this notebook.") == 1


@pytest.mark.parametrize("work", ["time.sleep(60)", "print(time.sleep(0.01))", "os.system('echo said; sleep 0.01')"])
def test_a_kernel_ends_with_its_client_and_a_zygote_with_its_last_lease(work, tmp_path):
    """Also one that goes on saying things to nobody."""
    script = f"""
import os, papermill, sys, nbformat
from mi_analysis.batch.warm_engine import Engine
from papermill.engines import papermill_engines
papermill_engines.register("mi", Engine)
cell = "import os, time; open({str(tmp_path / "pids")!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\\nwhile True: {work}"
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)], metadata={{"kernelspec": {{"name": "python3", "language": "python", "display_name": "P"}}}})
papermill.execute_notebook(book, None, engine_name="mi", progress_bar=False)
"""
    client = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    found = tmp_path / "pids"
    while not (found.exists() and found.read_text()):
        assert client.poll() is None
        threading.Event().wait(0.05)
    kernel, zygote = (psutil.Process(int(text)) for text in found.read_text().split())

    client.send_signal(signal.SIGKILL)
    client.wait()

    assert psutil.wait_procs([kernel, zygote], timeout=20)[1] == []


def test_the_plain_papermill_command_runs_it(tmp_path):
    """Where the project is installed as it is here; elsewhere the entry point may be of another time."""
    import entrypoints

    if "mi" not in {point.name for point in entrypoints.get_group_all("papermill.engine")}:
        if os.environ.get("MI_REQUIRE_ALL") == "1":
            pytest.fail("the package is installed without its engine")
        pytest.skip("installed before it had an engine")
    nbformat.write(
        notebook(
            "import os\nos.getpid() != os.getsid(0), 'mi_analysis.batch.warm_engine' in __import__('sys').orig_argv[2]"
        ),
        tmp_path / "in.ipynb",
    )

    command = [sys.executable, "-m", "papermill", "--engine", "mi", "in.ipynb", "out.ipynb"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[0].outputs[0].data["text/plain"] == "(False, True)"
