# SPDX-License-Identifier: BSD-3-Clause
"""Which Python runs plain cells: what skiff install was told, and what is taken where that cannot be used."""

import json
import subprocess
import sys

import pytest

from conftest import BUILD


def install(place, *options):
    """Installs the kernelspec that this place's kernels are started from once more."""
    return subprocess.run([BUILD / "skiff", "install", "--prefix", place.folder / "prefix", *options],
                          env=place.env(JUPYTER_PATH=str(place.folder / "jupyter")), capture_output=True, text=True)


def start(place, *options):
    done = install(place, *options)
    assert done.returncode == 0, done.stderr
    return place.start(JUPYTER_PATH=str(place.folder / "jupyter"))


def kernelspec(place, name, *argv, **more):
    path = place.folder / "jupyter/kernels" / name / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"argv": argv, "display_name": name, "language": "python", **more}))


def test_python_of_the_environment(place):
    """The one whose environment the kernelspec was installed into, by its own path: links make a virtual environment."""
    folder = place.folder / "prefix/bin"
    folder.mkdir(parents=True)
    (folder / "python3").write_text(f"#!/bin/sh\nexport FROM_HERE=1\nexec {sys.executable} \"$@\"\n")
    (folder / "python3").chmod(0o755)
    kernel = start(place)
    assert str(folder / "python3") in kernel.manager.kernel_spec.argv
    assert kernel.run("import os; print(os.environ['FROM_HERE'])").ok() == "1\n"
    assert str(folder / "python3") in kernel.run("%skiff").ok()


def test_named_kernelspec(place):
    kernelspec(place, "mine", sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", env={"OF_MINE": "yes"})
    kernel = start(place, "--companion", "mine")
    assert kernel.run("import os; print(os.environ['OF_MINE'])").ok() == "yes\n"
    assert 'the kernelspec "mine"' in kernel.run("%skiff").ok()


@pytest.mark.parametrize("broken", ["#!/bin/sh\necho 'No module named ipykernel' >&2\nexit 1\n", "#!/nowhere/python\n"])
def test_without_ipykernel_the_next_is_taken(place, broken):
    python = place.write("broken-python", broken)
    python.chmod(0o755)
    kernel = start(place, "--companion", str(python))
    assert kernel.run("print(6 * 7)").ok() == "42\n"
    said = kernel.run("%skiff").ok()
    assert "python3 on PATH" in said and str(python) in said


def test_gone_since(place):
    python = place.write("python", f"#!/bin/sh\nexec {sys.executable} \"$@\"\n")
    python.chmod(0o755)
    assert install(place, "--companion", str(python)).returncode == 0
    python.unlink()
    kernel = place.start()
    assert kernel.run("print(6 * 7)").ok() == "42\n"
    assert "is not there any more" in kernel.run("%skiff").ok()


def test_none(place):
    kernel = start(place, "--companion", "none")
    assert "--companion none" in kernel.run("1 + 1").failed() + kernel.run("%skiff").ok()
    kernel.run("%computes").ok()


def test_skiff_itself_by_another_path(place):
    """It is not told at install, where it is refused, but by a kernelspec that was changed since."""
    kernelspec(place, "mine", sys.executable, "-f", "{connection_file}")
    assert install(place, "--companion", "mine").returncode == 0
    (place.folder / "alias").symlink_to(BUILD / "skiff")
    spec = place.folder / "jupyter/kernels/mine/kernel.json"
    spec.write_text(json.dumps({"argv": [str(place.folder / "alias"), "kernel", "-f", "{connection_file}"]}))
    refused = install(place, "--companion", "mine")
    assert refused.returncode != 0 and "Skiff itself" in refused.stderr
    kernel = place.start(JUPYTER_PATH=str(place.folder / "jupyter"))
    assert kernel.run("print(6 * 7)").ok() == "42\n"
    assert "is Skiff itself" in kernel.run("%skiff").ok()


def test_refused_at_install(place):
    kernelspec(place, "mine", sys.executable)
    before = (place.folder / "kernels/skiff/kernel.json").read_bytes()
    for companion, why in (("/nowhere/python", "no Python at /nowhere/python"), ("mien", "did you mean --companion mine?")):
        refused = install(place, "--companion", companion)
        assert refused.returncode != 0 and why in refused.stderr and refused.stdout == ""
    assert (place.folder / "kernels/skiff/kernel.json").read_bytes() == before
