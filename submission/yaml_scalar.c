/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML 1.2's core schema: https://yaml.org/spec/1.2.2/#103-core-schema. The 1.1 of older parsers made
 * booleans of yes and no, and numbers of 1:30 and 0777; here those are what they look like. */
#include "submission/yaml_scalar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static const char *skip_digits(const char *text)
{
    return text + strspn(text, "0123456789");
}

static bool is_int(const char *text)
{
    if (text[0] == '0' && text[1] == 'o')
        return text[2] != '\0' && text[2 + strspn(text + 2, "01234567")] == '\0';
    if (text[0] == '0' && text[1] == 'x')
        return text[2] != '\0' && text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0';
    text += text[0] == '-' || text[0] == '+';
    return *text != '\0' && *skip_digits(text) == '\0';
}

static bool is_float(const char *text)
{
    static const char *const special[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    text += text[0] == '-' || text[0] == '+';
    if (is_one_of(text, special))
        return true;
    const char *at = skip_digits(text);
    bool digits = at > text;
    if (*at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction);
        digits = digits || at > fraction;
    }
    if (!digits)
        return false;
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '-' || at[1] == '+' ? 2 : 1;
        return *at != '\0' && *skip_digits(at) == '\0';
    }
    return *at == '\0';
}

enum yaml_kind yaml_scalar_kind(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    if (is_one_of(text, nulls))
        return YAML_NULL;
    if (is_one_of(text, bools))
        return YAML_BOOL;
    if (is_int(text))
        return YAML_INT;
    return is_float(text) ? YAML_FLOAT : YAML_STRING;
}

static json_t *integer(const char *text)
{
    bool octal = text[0] == '0' && text[1] == 'o';
    bool hex = text[0] == '0' && text[1] == 'x';
    errno = 0;
    long long value = strtoll(octal || hex ? text + 2 : text, NULL, octal ? 8 : hex ? 16 : 10);
    return errno == 0 ? json_integer(value) : NULL;
}

json_t *yaml_scalar_to_json(const struct yaml_node *scalar)
{
    const char *text = scalar->text;
    json_t *number = NULL;
    switch (scalar->kind) {
    case YAML_NULL:
        return json_null();
    case YAML_BOOL:
        return json_boolean(text[0] == 't' || text[0] == 'T');
    case YAML_INT:
        number = integer(text);
        break;
    case YAML_FLOAT:
        if (strpbrk(text, "nN") == NULL) /* JSON has no .inf and no .nan */
            number = json_real(strtod(text, NULL));
        break;
    default:
        break;
    }
    return number != NULL ? number : json_text_value(text, strlen(text));
}
