# SPDX-License-Identifier: BSD-3-Clause
"""Two kernels, one store, one compute: its nodes are shared, and never more are used than there are."""

NODES = 2
EACH = 10

# How many are there at once is counted by the scripts themselves, from what they wrote.
SCRIPT = """import sys, time
started = time.monotonic_ns()
time.sleep(0.15)
with open(sys.argv[1], "a") as times:
    times.write(f"{started} {time.monotonic_ns()}\\n")
"""


def most_at_once(spans):
    changes = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def test_two_kernels_share_the_nodes(place):
    times = place.work / "times"
    place.write("src/train.py", SCRIPT)
    kernels = [place.start(), place.start()]
    kernels[0].run(f"%%compute shared\nmax_nodes: {NODES}\n").ok()
    submit = f"%%submit both --no-wait\ncode: src\nscript: train.py\narguments: [{str(times)!r}]\ncompute: shared\n"
    for _ in range(EACH):
        for kernel in kernels:
            kernel.send(submit, allow_stdin=False)
    for kernel in kernels:
        for _ in range(EACH):
            assert kernel.client.get_shell_msg(timeout=60)["content"]["status"] == "ok"
    runs = place.runs()
    assert len(runs) == 2 * EACH
    for run in runs:
        kernels[1].run(f"%wait {run.name}").ok()
        assert place.states(run)[-1] == "Completed"
    spans = [tuple(map(int, line.split())) for line in times.read_text().splitlines()]
    assert len(spans) == 2 * EACH
    assert most_at_once(spans) == NODES
    assert place.processes() == []
