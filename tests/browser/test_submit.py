# SPDX-License-Identifier: BSD-3-Clause
"""The three cells on the page: what the script prints appears as it comes, and the end is told below the cell."""

import pytest
from playwright.sync_api import expect

SCRIPT = """import os, time
print('epoch 0', flush=True)
while not os.path.exists(os.environ['GO_ON']):
    time.sleep(0.01)
for epoch in range(1, 4):
    print(f'epoch: {epoch} loss: {1 / epoch:.3f}', flush=True)
open('outputs/model.txt', 'w').write('weights')
"""


@pytest.mark.parametrize("frontend, theme", [("lab", "light"), ("lab", "dark"), ("notebook", "light")])
def test_three_cells(notebook, server, frontend, theme):
    go_on = server.work / f"go-on-{frontend}-{theme}"
    (server.work / "src").mkdir(exist_ok=True)
    (server.work / "src/train.py").write_text(SCRIPT)
    server.theme(theme)
    page = notebook(frontend, "%%environment plain\nenvironment_variables: {MODE: fast}",
                    "%%compute cpu-cluster\nvm_size: STANDARD_DS3_V2\nmax_nodes: 2",
                    "%%submit digits\nsource_directory: src\nscript: train.py\ncompute_target: cpu-cluster\n"
                    f"environment: plain\nenvironment_variables: {{GO_ON: {go_on}}}", "1 + 1")
    page.run(0, 1)
    page.shows(0, "plain")
    page.run(1, 2)
    page.shows(1, "cpu-cluster")
    page.run(2, 3)  # it returns at once
    page.shows(2, "epoch 0")
    page.run(3, 4)  # and the kernel is free while the script runs
    page.shot(f"submit-running-{frontend}-{theme}")
    go_on.touch()
    page.shows(2, "epoch: 3 loss: 0.333")
    page.shows(2, "Completed")
    page.shot(f"submit-done-{frontend}-{theme}")
    expect(page.output(2)).to_contain_text("model.txt")
