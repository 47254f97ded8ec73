# SPDX-License-Identifier: BSD-3-Clause
# What every companion that is IPython runs first, silently.


def _skiff_prelude():
    import contextlib
    import signal
    import threading

    shell = get_ipython()  # noqa: F821 (IPython gives it)
    kernel = shell.kernel

    def catch_up(number, cells):
        """Skiff's own cells take numbers, too: In has them, and the next cell is Out[number]."""
        history = shell.history_manager
        code_of = dict(cells)
        for missing in range(len(history.input_hist_raw), number):
            history.store_inputs(missing, code_of.get(missing, ""))
        shell.execution_count = number

    shell._skiff_catch_up = catch_up

    # Its IOPub drops what its reader has not taken after 1,000 messages, parts of messages too. Skiff
    # reads all there is and keeps nothing back, so nothing needs to be dropped.
    thread = getattr(kernel.iopub_socket, "io_thread", None)
    if thread is not None:
        thread.schedule(lambda: thread.socket.set_hwm(0))

    # Linux may hand a signal to any thread that is awake; the main one, which it is for, then sleeps on.
    def leave_interrupts():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    if thread is not None:
        thread.schedule(leave_interrupts)
    for name in ("control_thread", "shell_channel_thread"):
        loop = getattr(getattr(kernel, name, None), "io_loop", None)
        if loop is not None:
            loop.add_callback(leave_interrupts)

    # An interrupt between two lines of ipykernel's own can be swallowed there, or cost the cell its reply.
    # So it is held until the user's code runs.
    held = []

    def hold(*_):
        held.append(True)

    def pre_handler_hook():
        is_cell = kernel.get_parent("shell")["header"]["msg_type"] == "execute_request"
        held.clear()
        handler = hold if is_cell else signal.default_int_handler
        kernel.saved_sigint_handler = signal.signal(signal.SIGINT, handler)

    @contextlib.contextmanager
    def users_code():
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not hold:
            yield
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, hold)

    async def run_code(code, *arguments, **options):
        with users_code():
            return await shell_run_code(interrupt if held else code, *arguments, **options)

    def user_expressions(expressions):
        with users_code():
            return shell_user_expressions(expressions)

    def trigger(event, *arguments, **options):  # matplotlib draws in post_execute
        with users_code() if event.startswith("post_") else contextlib.nullcontext():
            shell_trigger(event, *arguments, **options)

    if hasattr(kernel, "get_parent"):  # ipykernel 6
        interrupt = compile("raise KeyboardInterrupt", "<before the cell>", "exec")
        shell_run_code, shell.run_code = shell.run_code, run_code
        shell_user_expressions, shell.user_expressions = shell.user_expressions, user_expressions
        shell_trigger, shell.events.trigger = shell.events.trigger, trigger
        kernel.pre_handler_hook = pre_handler_hook


_skiff_prelude()
del _skiff_prelude
