# SPDX-License-Identifier: BSD-3-Clause
# What every companion that is IPython runs first, silently.


def _skiff_prelude():
    shell = get_ipython()  # noqa: F821 (IPython gives it)

    def catch_up(number, cells):
        """Skiff's own cells take numbers, too: In has them, and the next cell is Out[number]."""
        history = shell.history_manager
        code_of = dict(cells)
        for missing in range(shell.execution_count, number):
            if len(history.input_hist_raw) <= missing:
                history.store_inputs(missing, code_of.get(missing, ""))
        shell.execution_count = number

    shell._skiff_catch_up = catch_up

    # Its IOPub drops what its reader has not taken after 1,000 messages, parts of messages too. Skiff
    # reads all there is and keeps nothing back, so nothing needs to be dropped.
    thread = getattr(shell.kernel.iopub_socket, "io_thread", None)
    if thread is not None:
        thread.schedule(lambda: thread.socket.set_hwm(0))


_skiff_prelude()
del _skiff_prelude
