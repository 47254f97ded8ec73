/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What a plain scalar is by YAML 1.2's core schema, and its value. Pure. */

#include "submission/yaml.h"

/* The kind of a scalar written without quotes. */
enum yaml_kind yaml_scalar_kind(const char *text);

/* The value of a scalar as JSON; see yaml_to_json(). New reference. */
MUST_CHECK json_t *yaml_scalar_to_json(const struct yaml_node *scalar);
