# SPDX-License-Identifier: BSD-3-Clause
"""Every example notebook, executed as its user would: nbconvert, a page, and what the page says."""

import shutil
import subprocess
import sys

import pytest

from conftest import ROOT

IN_CONTAINERS = {"train-custom-image"}  # tests/engine executes it
NOTEBOOKS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.stem not in IN_CONTAINERS]


def convert(place, notebook, *options):
    """nbconvert as a batch job, with a copy of the notebooks as its folder."""
    work = place.folder / "notebooks"
    shutil.copytree(ROOT / "notebooks", work, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    env = place.env(JUPYTER_PATH=str(place.folder / "prefix/share/jupyter"))
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", notebook.name, *options]
    return subprocess.run(command, cwd=work, env=env, capture_output=True, text=True), work


def check_train_digits(place, page):
    run = place.runs()[0]
    for wanted in (run.name, "Completed", "epoch: 20 loss:", "accuracy", "<svg", "model.joblib",
                   "data:image/png;base64", str(run / "outputs")):
        assert wanted in page, f"{wanted} is not on the page"
    assert (run / "outputs/model.joblib").stat().st_size > 10_000
    assert (run / "outputs/confusion.png").read_bytes().startswith(b"\x89PNG")


CHECKS = {"train-digits": check_train_digits}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(place, notebook):
    done, work = convert(place, notebook)
    assert done.returncode == 0, done.stderr
    assert place.processes() == []
    CHECKS[notebook.stem](place, (work / f"{notebook.stem}.html").read_text())


def test_readme_names_what_exists():
    text = (ROOT / "notebooks/README.md").read_text()
    for notebook in NOTEBOOKS:
        assert notebook.name in text
