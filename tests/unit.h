/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* cmocka with the headers it wants to see first, in an order no formatter can disturb. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* keep apart */
#include <cmocka.h>

#define UNIT(test) cmocka_unit_test(test)
