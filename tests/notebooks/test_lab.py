"""In a real JupyterLab: a notebook opens, runs from top to bottom, a choice changes the chart, and the console is silent."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

TOKEN = "test"
PATIENCE = 240_000  # ms for a page that runs a notebook on a busy machine
NOTEBOOKS = sorted(file.stem for file in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
ERRORS = ".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']"


@pytest.fixture(scope="module")
def lab_root(small_agency, project, tmp_path_factory):
    """A project with the example's model built."""
    root = tmp_path_factory.mktemp("lab") / "project"
    shutil.copytree(small_agency.root, root)
    shutil.copytree(project / "notebooks", root / "notebooks")
    return root


@pytest.fixture(scope="module")
def lab(lab_root):
    """Address of a JupyterLab on the project, in folders of its own."""
    root = lab_root.parent
    whole = root / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    whole.parent.mkdir(parents=True)
    whole.write_text('{"windowingMode": "none"}')  # every cell stands in the page, also those out of sight
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        name: str(root / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
               f"--IdentityProvider.token={TOKEN}", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
               f"--LabApp.workspaces_dir={root / 'workspaces'}", f"--LabApp.user_settings_dir={root / 'settings'}"]  # fmt: skip
    server = subprocess.Popen(
        command, cwd=lab_root, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    reader = threading.Thread(target=server.stdout.read, daemon=True)
    with server:
        try:
            said = []
            for line in server.stdout:
                said.append(line)
                if "is running at" in line:
                    break
            assert server.poll() is None, "".join(said)
            reader.start()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()
            reader.join()


@pytest.fixture
def page(lab, browser):
    opened = browser.new_page(viewport={"width": 1300, "height": 1600})
    opened.set_default_timeout(PATIENCE)
    opened.said = []
    opened.on("console", lambda line: opened.said.append(line.text) if line.type == "error" else None)
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    yield opened
    opened.close()


def run_all(page, lab, notebook, parameters=""):
    """Open a notebook, write other parameters in its first code cell where there are such, and choose Run All Cells."""
    page.goto(f"{lab}/lab/tree/{notebook}?token={TOKEN}&reset")
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Python 3").first.wait_for()
    page.locator(".jp-Notebook-cell").first.wait_for()
    if parameters:
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.insert_text(parameters)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def ran(page):
    """Wait until every cell has run; the line of the notebook's desk."""
    page.wait_for_function(
        """() => {
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(one => one.textContent);
            return prompts.length > 0 && prompts.every(text => /[0-9]/.test(text));
        }"""
    )
    return page.locator(".jp-OutputArea p.desk").first.inner_text()


@pytest.mark.browser
def test_the_exploring_notebook_runs_with_parameters_written_by_hand_and_a_choice_changes_the_chart(lab, page):
    given = 'source: str = "example"\nunit: str = "2140"\nperiod: str = "2025-06"\naudience: str = "internal"\nlanguage: str = "da"'
    run_all(page, lab, "notebooks/09_explore.ipynb", given)
    chart = page.locator(".jupyter-widgets figure img").first
    chart.wait_for()
    before = chart.get_attribute("alt")

    measure = page.locator(".widget-dropdown select").nth(2)
    measure.select_option(label="Verserende sager")
    page.locator(".jupyter-widgets figcaption", has_text="Verserende sager").first.wait_for()

    assert page.locator(".jp-OutputArea p.desk").first.inner_text().startswith("2140 · Tilsyn Nord · 2025-06 · ")
    assert "afsluttede sager" in before
    assert "verserende sager" in page.locator(".jupyter-widgets figure img").first.get_attribute("alt")
    assert page.locator(ERRORS).count() == 0
    assert page.said == []


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_notebook_runs_from_top_to_bottom(lab, page, notebook):
    run_all(page, lab, f"notebooks/{notebook}.ipynb")

    assert ran(page)
    assert page.locator(ERRORS).count() == 0
    assert page.said == []


@pytest.mark.browser
@pytest.mark.long
def test_a_report_is_opened_as_its_notebook_and_runs_with_its_own_unit_month_and_data(lab, page, lab_root):
    run = [sys.executable, "-m", "mi_analysis"]
    subprocess.run(
        [*run, "run", "parameters/example/monthly.yaml", "--only", "unit=2140"],
        cwd=lab_root,
        check=False,
        capture_output=True,
    )
    report = next(lab_root.glob("outputs/example/monthly/2025-12/1/2140/02_unit_report.html"))
    said = subprocess.run(
        [*run, "open", str(report), "--no-lab"], cwd=lab_root, capture_output=True, text=True, check=True
    ).stdout
    notebook = Path(said.splitlines()[-1].removeprefix("Notebook: ")).relative_to(lab_root)
    record = json.loads((report.parents[1] / "run.json").read_text(encoding="utf-8"))

    run_all(page, lab, notebook.as_posix())
    line = ran(page)

    assert "The figures are those of the report." in said
    assert line.startswith("2140 · Tilsyn Nord · 2025-12 · ")
    assert record["jobs"]["2140/02_unit_report"]["parts"]["data"].startswith(line.split(" · ")[-1])
    assert page.locator(ERRORS).count() == 0
    assert page.said == []
