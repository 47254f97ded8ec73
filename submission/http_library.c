/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads libcurl when the first request is made. Linked at start it would double the kernel's start-up
 * time and memory, most of it for libraries behind it that few sessions need. */
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "submission/http_private.h"

#define LIBRARY_NAME "libcurl.so.4" /* this ABI since 2006 */

#define ENTRY(field)                                         \
    {                                                        \
        offsetof(struct http_library, field), "curl_" #field \
    }
static const struct {
    size_t offset;
    const char *name;
} entries[] = {
    ENTRY(global_init),      ENTRY(easy_init),           ENTRY(easy_cleanup),
    ENTRY(easy_setopt),      ENTRY(easy_getinfo),        ENTRY(easy_pause),
    ENTRY(easy_strerror),    ENTRY(slist_append),        ENTRY(slist_free_all),
    ENTRY(multi_init),       ENTRY(multi_cleanup),       ENTRY(multi_setopt),
    ENTRY(multi_add_handle), ENTRY(multi_remove_handle), ENTRY(multi_socket_action),
    ENTRY(multi_info_read),  ENTRY(multi_assign),
};

static int missing(struct error *err, const char *what)
{
    error_set(err, ERROR_UNSUPPORTED, "cannot load " LIBRARY_NAME ": %s",
              what != NULL ? what : "it lacks a function");
    return error_hint(err, "install libcurl (Debian and Ubuntu: apt-get install libcurl4; Fedora: "
                           "dnf install libcurl), then try again");
}

int http_library_load(struct http_library *library, struct error *err)
{
    if (library->handle != NULL)
        return 0;
    struct http_library loaded = {.handle = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL)};
    if (loaded.handle == NULL)
        return missing(err, dlerror());
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        void *function = dlsym(loaded.handle, entries[i].name);
        if (function == NULL)
            return missing(err, dlerror());
        /* POSIX has object and function pointers of one size. */
        memcpy((char *)&loaded + entries[i].offset, &function, sizeof function);
    }
    if (loaded.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_UNSUPPORTED, "libcurl does not start");
    *library = loaded;
    return 0;
}
