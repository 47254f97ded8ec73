# SPDX-License-Identifier: BSD-3-Clause
"""The article's notebook, executed as its user would: nbconvert, a page, and what the page says."""

import os
import shutil
import subprocess
import sys

from conftest import HERE, PASSWORD, REGISTRY, USER

NOTEBOOK = "train-custom-image.ipynb"


def test_the_article(place, docker, base):
    for image in docker.images():
        docker.remove_image(image["Id"])
    work = place.folder / "notebooks"
    shutil.copytree(HERE.parents[1] / "notebooks", work, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    env = place.env(JUPYTER_PATH=str(place.folder / "prefix/share/jupyter"), REGISTRY=REGISTRY, REGISTRY_USER=USER)
    done = subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", "--execute", NOTEBOOK], cwd=work,
                          env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (work / NOTEBOOK).with_suffix(".html").read_text()
    for wanted in ("fastai2", f"{REGISTRY}/fastdotai/fastai2:latest", "Pulling", "epoch: 3 loss:", "Completed", "<svg",
                   "model.json", "Hello from custom container!", "currentNodeCount", "STANDARD_NC6", "dry run"):
        assert wanted in page, f"{wanted} is not on the page"
    assert PASSWORD not in page
    assert [place.state(run) for run in place.runs()] == ["Completed", "Completed"]
    assert place.containers() == []
