# SPDX-License-Identifier: BSD-3-Clause
"""JupyterLab's debugger in a Python cell: a breakpoint set by the gutter, the variables shown, and on."""

import re

import pytest
from playwright.sync_api import TimeoutError as NotYet
from playwright.sync_api import expect

ADD = "def add(numbers):\n    total = 0\n    for number in numbers:\n        total += number\n    return total"


def switch_on(lab):
    """JupyterLab forgets a click that comes while it asks the kernel about itself; a person clicks again."""
    for _ in range(5):
        lab.locator(".jp-DebuggerBugButton").click()
        try:
            lab.locator(".cm-breakpoint-gutter").first.wait_for(state="attached", timeout=5000)
            return
        except NotYet:
            pass
    pytest.fail("the debugger does not come on")


def test_breakpoint_stops_and_shows_variables(notebook):
    page = notebook("lab", "print('Python', 'is there')", ADD,
                    "answer = add([3, 4, 35])\nprint('the answer is', answer)")
    lab = page.page
    page.run(0, 1)
    switch_on(lab)
    gutter = page.cell(1).locator(".cm-breakpoint-gutter .cm-gutterElement")
    gutter.nth(5).click()  # the first is not drawn: it only gives the gutter its width
    expect(lab.locator(".jp-DebuggerBreakpoint")).to_have_count(1)
    page.run(1, 2)
    page.start(2)
    expect(lab.locator(".jp-DebuggerCallstackFrame").first).to_contain_text("add")
    variables = lab.locator(".jp-DebuggerVariables")
    expect(variables).to_contain_text(re.compile(r"total:?\s*42"))
    page.shot("debugger")
    lab.locator("[data-command='debugger:continue']").click()
    page.done(2, 3)
    page.shows(2, "the answer is 42")
