/* SPDX-License-Identifier: BSD-3-Clause */
/* The backends a workspace uses. `fake` is not among them: tests name it themselves. */
#include "submission/backends/backend.h"

const struct backend *const backend_list[] = {&backend_container, &backend_local, NULL};
