# SPDX-License-Identifier: BSD-3-Clause
"""JupyterLab and Notebook 7 in Chromium, with Skiff as the kernel of the notebooks they open.

One Jupyter server and one browser serve all tests; a notebook, its page and its kernel are each test's own.
Nothing of the machine's user is read or written: the server lives in a temporary folder."""

import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import sys
import urllib.request

import pytest
from playwright.sync_api import expect, sync_playwright

BUILD = pathlib.Path(os.environ.get("SKIFF_BUILD", "build/default")).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build/browser"
NO_HURRY = 60_000  # milliseconds: a wait this long has failed
SIZE = {"width": 1400, "height": 1100}
FRONT_ENDS = {"lab": "lab/workspaces/{id}/tree/{name}", "notebook": "notebooks/{name}"}

# No news, and no question about them, over the page; a cell is as tall as what it shows.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}

expect.set_options(timeout=NO_HURRY)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A Jupyter server in a folder of its own, with Skiff's kernelspec beside Jupyter's."""

    def __init__(self, folder):
        self.folder = folder
        self.work = folder / "work"
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.work.mkdir()
        subprocess.run([str(BUILD / "skiff"), "install", "--prefix", str(folder / "prefix")], check=True,
                       stdout=subprocess.DEVNULL)
        for name, values in SETTINGS.items():
            self.set(name, values)
        # Jedi parses half the standard library before its first answer, and JupyterLab waits for a second.
        config = folder / "ipython/profile_default/ipython_kernel_config.py"
        config.parent.mkdir(parents=True)
        config.write_text("c.Completer.use_jedi = False\n")
        self.log = open(folder / "server.log", "w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}",
             "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}",
             "--LabApp.extension_manager=readonly", "--FileContentsManager.delete_to_trash=False",
             f"--ServerApp.root_dir={self.work}"],
            env=self.env(), cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.wait()

    def set(self, name, values):
        """Settings of the pages that are opened from now on."""
        path = self.folder / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))

    def theme(self, name):
        self.set("apputils-extension/themes", {"theme": f"JupyterLab {name.title()}"})

    def env(self):
        base = {k: v for k, v in os.environ.items() if not k.startswith(("SKIFF_", "JUPYTER", "IPYTHON", "XDG_"))}
        # The companion, and the scripts, run with the Python that runs the tests.
        base["PATH"] = f"{pathlib.Path(sys.executable).parent}:{base['PATH']}"
        return {**base, "HOME": str(self.folder), "SKIFF_HOME": str(self.folder / "skiff"),
                "JUPYTER_CONFIG_DIR": str(self.folder / "config"), "JUPYTER_DATA_DIR": str(self.folder / "data"),
                "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"), "IPYTHONDIR": str(self.folder / "ipython"),
                "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
                "JUPYTER_PATH": str(self.folder / "prefix/share/jupyter")}

    def wait(self):
        """Reads what the server says until it serves; the rest goes to nobody, so that it cannot fill the pipe."""
        said = []
        for line in self.process.stderr:
            said.append(line)
            if f":{self.port}/" in line:
                subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=self.log)
                return
        pytest.fail("the server ended:\n" + "".join(said))

    def api(self, method, path):
        request = urllib.request.Request(self.url + "api/" + path, method=method,
                                         headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=NO_HURRY / 1000) as answer:
            return json.loads(answer.read() or b"null")

    def end_kernels(self):
        for session in self.api("GET", "sessions"):
            self.api("DELETE", f"sessions/{session['id']}")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=NO_HURRY / 1000)
        self.log.close()


class Notebook:
    """An open notebook, and what its user does and sees."""

    def __init__(self, server, page, name):
        self.server = server
        self.page = page
        self.name = name

    def write(self, cells):
        """The file, as it is before it is opened."""
        spec = {"name": "skiff", "display_name": "Skiff", "language": "python"}
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": [
            {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "execution_count": None, "outputs": [],
             "source": source} for i, source in enumerate(cells)]}
        (self.server.work / self.name).write_text(json.dumps(content))

    def open(self, frontend):
        where = FRONT_ENDS[frontend].format(name=self.name, id=self.name.removesuffix(".ipynb"))
        self.page.goto(f"{self.server.url}{where}?token={self.server.token}")
        self.ready()

    def ready(self):
        """The cells are drawn and the kernel has answered."""
        expect(self.page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible()
        expect(self.page.locator(".jp-NotebookPanel-toolbar .jp-KernelName")).to_contain_text("Skiff")
        self.expect_status("idle")

    def expect_status(self, status):
        expect(self.page.locator(f".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status={status}]")
               ).to_be_attached()

    def cell(self, i):
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(i)

    def output(self, i):
        return self.cell(i).locator(".jp-OutputArea").first

    def edit(self, i):
        self.cell(i).locator(".cm-content").first.click()

    def type(self, i, text):
        """Types at the end of a cell."""
        self.edit(i)
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)

    def start(self, i):
        self.edit(i)
        self.page.keyboard.press("Control+Enter")

    def run(self, i, number=None):
        """Runs a cell to its end: it has a number then, and the kernel is free."""
        self.start(i)
        self.done(i, number)

    def done(self, i, number=None):
        wanted = rf"\[{number}\]:" if number is not None else r"\[\d+\]:"
        expect(self.cell(i).locator(".jp-InputPrompt")).to_have_text(re.compile(wanted))

    def shows(self, i, text):
        expect(self.output(i)).to_contain_text(text)

    def press(self, command):
        """A button of the notebook's toolbar."""
        self.page.locator(f".jp-NotebookPanel-toolbar [data-command='{command}']").first.click()

    def menu(self, name, entry):
        self.page.locator(".lm-MenuBar-item").get_by_text(name, exact=True).click()
        self.page.locator(".lm-Menu-item").filter(has_text=re.compile(rf"^{entry}")).first.click()

    def restart(self):
        """By the toolbar's button; the new kernel has answered when it returns."""
        with self.page.expect_response(lambda r: r.url.split("?")[0].endswith("/restart")):
            self.press("notebook:restart-kernel")
            self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.expect_status("idle")

    def answer(self, i, text):
        """Types into the box of a question that a cell asks."""
        box = self.output(i).locator("input.jp-Stdin-input")
        box.fill(text)
        box.press("Enter")

    def save(self):
        with self.page.expect_response(lambda r: r.request.method == "PUT" and "/api/contents/" in r.url):
            self.page.keyboard.press("Control+s")

    def reload(self):
        self.page.reload()
        expect(self.page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible()

    def shot(self, name):
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def context():
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
                                             args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        context = browser.new_context(viewport=SIZE)
        context.set_default_timeout(NO_HURRY)
        yield context
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.failed = report.failed
    return report


@pytest.fixture
def notebook(request, server, context):
    """notebook(frontend, cell, cell, ...) opens a new notebook of these cells."""
    page = context.new_page()
    name = re.sub(r"\W+", "-", request.node.name).strip("-")

    def open_it(frontend, *cells):
        opened = Notebook(server, page, f"{name}.ipynb")
        opened.write(cells)
        opened.open(frontend)
        return opened

    yield open_it
    if getattr(request.node, "failed", False):
        page.screenshot(path=SHOTS / f"failed-{name}.png")
    page.close()
    server.end_kernels()
    (server.work / f"{name}.ipynb").unlink()
