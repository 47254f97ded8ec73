/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads libarchive when the first archive is written. Linked at start it would bring a dozen
 * compressors and an XML parser into every session, few of which build an image. */
#include "submission/archive_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY_NAME "libarchive.so.13" /* this ABI since 2013 */

#define ENTRY(field)                                               \
    {                                                              \
        offsetof(struct archive_library, field), "archive_" #field \
    }
static const struct {
    size_t offset;
    const char *name;
} entries[] = {
    {offsetof(struct archive_library, errno_of), "archive_errno"}, /* `errno` is a macro */
    ENTRY(error_string),
    ENTRY(write_new),
    ENTRY(write_free),
    ENTRY(write_set_format_gnutar),
    ENTRY(write_set_bytes_per_block),
    ENTRY(write_set_bytes_in_last_block),
    ENTRY(write_open_fd),
    ENTRY(write_header),
    ENTRY(write_data),
    ENTRY(write_finish_entry),
    ENTRY(write_close),
    ENTRY(entry_new),
    ENTRY(entry_free),
    ENTRY(entry_set_pathname),
    ENTRY(entry_set_filetype),
    ENTRY(entry_set_perm),
    ENTRY(entry_set_size),
    ENTRY(entry_set_mtime),
    ENTRY(entry_set_symlink),
};

static int missing(struct error *err, const char *what)
{
    error_set(err, ERROR_UNSUPPORTED, "cannot load " LIBRARY_NAME ": %s",
              what != NULL ? what : "it lacks a function");
    return error_hint(err, "install libarchive (Debian and Ubuntu: apt-get install libarchive13; "
                           "Fedora: dnf install libarchive), then try again");
}

int archive_library_load(struct archive_library *library, struct error *err)
{
    if (library->handle != NULL)
        return 0;
    struct archive_library loaded = {.handle = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL)};
    if (loaded.handle == NULL)
        return missing(err, dlerror());
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        void *function = dlsym(loaded.handle, entries[i].name);
        if (function == NULL)
            return missing(err, dlerror());
        /* POSIX has object and function pointers of one size. */
        memcpy((char *)&loaded + entries[i].offset, &function, sizeof function);
    }
    *library = loaded;
    return 0;
}
