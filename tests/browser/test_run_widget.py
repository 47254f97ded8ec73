# SPDX-License-Identifier: BSD-3-Clause
"""The run widget on the page: live while Python works, steered by clicks, and there again after whatever happens to
the page and the kernel."""

import json
import re
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from conftest import SHOTS

SCRIPT = """import os, struct, time, zlib
def png(width, height):
    raw = b''.join(b'\\0' + b''.join(bytes((60 + x, 120, 220 - y)) for x in range(width)) for y in range(height))
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return (b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(raw)) + chunk(b'IEND', b''))
print('\\x1b[36mloading\\x1b[0m 1,797 pictures of digits')
for epoch in range(24):
    print(f'epoch: {epoch} loss: {2.3 * 0.86 ** epoch:.4f} accuracy: {1 - 0.9 * 0.85 ** epoch:.4f}', flush=True)
    time.sleep(0.02)
open('outputs/confusion.png', 'wb').write(png(96, 72))
open('outputs/model.txt', 'w').write('weights' * 300)
print('\\x1b[33mwarning\\x1b[0m: waiting for the word', flush=True)
while not os.path.exists(os.environ['GO_ON']):
    time.sleep(0.02)
print('done', flush=True)
if os.environ.get('FAIL'):
    raise ValueError('the data has 10 columns and the model wants 64')
"""

SPIN = "import time\nprint('spinning')\nend = time.monotonic() + 600\nwhile time.monotonic() < end: pass"


@pytest.fixture
def errors(context):
    """What the console of the pages says that is an error of ours."""
    said = []

    def on_page(page):
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: said.append(str(e)))

    context.on("page", on_page)
    yield said
    context.remove_listener("page", on_page)
    ours = [text for text in said if re.search(r"widget|comm|skiff|model", text, re.I)
            and not re.search(r"WebSocket|Failed to load resource|^Command ", text)]
    assert not ours


@pytest.fixture
def digits(request, errors, notebook, server):
    """digits(frontend) opens a notebook that submits; page.go_on lets its script end."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    go_on = server.work / f"go-on-{name}"
    source = server.work / f"src-{name}"
    source.mkdir()
    (source / "train.py").write_text(SCRIPT)

    def open_it(frontend, *more, fail=False):
        page = notebook(frontend, f"%%submit digits\ncode: {source.name}\nscript: train.py\n"
                        f"environment_variables: {{GO_ON: {go_on}{', FAIL: yes' if fail else ''}}}", *more)
        page.go_on = go_on.touch
        return page

    yield open_it
    go_on.touch()


def widget(page, i=0):
    return page.output(i).locator(".jp-OutputArea-output").filter(has=page.page.locator(".widget-vbox"))


def button(page, name, i=0):
    return page.output(i).get_by_role("button", name=name, exact=True)


def test_live_while_python_spins_and_cancelled_by_click(digits):
    page = digits("lab", "1 + 1", SPIN)
    page.run(1)
    page.run(0)
    page.shows(0, "waiting for the word")
    expect(page.output(0).locator("svg").first).to_be_visible()
    page.start(2)
    page.shows(2, "spinning")
    head = page.output(0).locator(".widget-html-content").first
    first = head.inner_text()
    expect(head).not_to_have_text(first)  # the time goes on
    button(page, "Details").click()
    page.shows(0, "Preparing")
    page.shot("run-widget-details")
    button(page, "Hide details").click()
    button(page, "Cancel").click()
    button(page, "Keep running").click()
    expect(button(page, "Cancel")).to_be_visible()
    button(page, "Cancel").click()
    page.shot("run-widget-cancel")
    button(page, "Cancel the run").click()
    page.shows(0, "Canceled")
    page.press("notebook:interrupt-kernel")
    page.shows(2, "KeyboardInterrupt")


@pytest.mark.parametrize("frontend, theme", [("lab", "light"), ("lab", "dark"), ("notebook", "light")])
def test_a_run_to_its_end(digits, server, frontend, theme):
    server.theme(theme)
    page = digits(frontend)
    page.run(0)
    page.shows(0, "waiting for the word")
    page.shows(0, "confusion.png")
    page.shot(f"run-widget-live-{frontend}-{theme}")
    page.output(0).screenshot(path=SHOTS / f"run-widget-{frontend}-{theme}.png")
    page.go_on()
    expect(page.output(0).locator(".widget-vbox")).to_have_count(0)  # the static twin
    page.shows(0, "Completed")
    page.shows(0, "model.txt")
    page.shot(f"run-widget-done-{frontend}-{theme}")
    page.save()
    saved = json.loads((server.work / page.name).read_text())
    outputs = saved["cells"][0]["outputs"]
    assert not [o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})]
    assert len(json.dumps(outputs)) < 200_000
    exported = export(server.work / page.name)
    assert "Completed" in exported and "model.txt" in exported and "widget-view" not in exported


def export(notebook):
    """The page that nbconvert makes of a saved notebook."""
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", "html", "--log-level=ERROR", str(notebook)], check=True)
    return notebook.with_suffix(".html").read_text()


def test_a_notebook_saved_while_its_run_goes_on_can_be_exported(digits, server):
    page = digits("lab")
    page.run(0)
    page.shows(0, "waiting for the word")
    page.save()
    exported = export(server.work / page.name)
    assert "Running" in exported or "Starting" in exported
    assert "%attach" in exported and "application/vnd.jupyter.widget-view+json" not in exported


def test_a_failed_run_says_why(digits):
    page = digits("lab", fail=True)
    page.run(0)
    page.shows(0, "waiting for the word")
    page.go_on()
    page.shows(0, "Failed")
    page.shows(0, "the model wants 64")
    page.shot("run-widget-failed")


@pytest.mark.parametrize("frontend", ["lab", "notebook"])
def test_reload_and_reopen(digits, server, frontend):
    page = digits(frontend)
    page.run(0)
    page.shows(0, "waiting for the word")
    page.save()
    page.reload()
    page.shows(0, "waiting for the word")
    button(page, "Details").click()
    expect(button(page, "Hide details")).to_be_visible()
    button(page, "Hide details").click()
    # The kernel ends; the notebook is opened again with another one: no cell is run.
    page.page.goto("about:blank")
    server.end_kernels()
    page.open(frontend)
    page.shows(0, "waiting for the word")
    expect(page.output(0)).not_to_contain_text("As of", timeout=30_000)
    page.go_on()
    page.shows(0, "Completed")
    expect(button(page, "Rerun")).to_be_visible()
    page.shot(f"run-widget-reopened-{frontend}")
    button(page, "Rerun").click()
    expect(page.output(0).get_by_text("Completed")).to_have_count(2)


def test_restart_in_the_page(digits):
    page = digits("lab", "%attach")
    page.run(0)
    page.shows(0, "waiting for the word")
    page.save()
    page.restart()
    page.shows(0, "As of")
    page.shows(0, "%attach")
    page.shot("run-widget-restarted")
    page.run(1)
    page.shows(1, "waiting for the word")
    page.reload()
    expect(page.output(0)).not_to_contain_text("As of", timeout=30_000)
    page.shows(0, "waiting for the word")
    page.go_on()
    page.shows(0, "Completed")


def test_two_tabs(digits, context, server):
    page = digits("lab")
    page.run(0)
    page.shows(0, "waiting for the word")
    page.save()
    other = type(page)(server, context.new_page(), page.name)
    other.open("notebook")
    other.shows(0, "waiting for the word")
    button(other, "Cancel").click()
    button(page, "Cancel the run").click()
    page.shows(0, "Canceled")
    other.shows(0, "Canceled")
    other.page.close()
