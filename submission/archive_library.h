/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* libarchive, as far as a tar file is written by it: found at first use. */

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

/* Named as in libarchive, less "archive_". */
struct archive_library {
    void *handle; /* NULL until loaded; never closed: libraries behind it do not survive that */
    __typeof__(&archive_errno) errno_of;
    __typeof__(&archive_error_string) error_string;
    __typeof__(&archive_write_new) write_new;
    __typeof__(&archive_write_free) write_free;
    __typeof__(&archive_write_set_format_gnutar) write_set_format_gnutar;
    __typeof__(&archive_write_set_bytes_per_block) write_set_bytes_per_block;
    __typeof__(&archive_write_set_bytes_in_last_block) write_set_bytes_in_last_block;
    __typeof__(&archive_write_open_fd) write_open_fd;
    __typeof__(&archive_write_header) write_header;
    __typeof__(&archive_write_data) write_data;
    __typeof__(&archive_write_finish_entry) write_finish_entry;
    __typeof__(&archive_write_close) write_close;
    __typeof__(&archive_entry_new) entry_new;
    __typeof__(&archive_entry_free) entry_free;
    __typeof__(&archive_entry_set_pathname) entry_set_pathname;
    __typeof__(&archive_entry_set_filetype) entry_set_filetype;
    __typeof__(&archive_entry_set_perm) entry_set_perm;
    __typeof__(&archive_entry_set_size) entry_set_size;
    __typeof__(&archive_entry_set_mtime) entry_set_mtime;
    __typeof__(&archive_entry_set_symlink) entry_set_symlink;
};

/* Loads libarchive. Once it is loaded, does nothing; a second struct gets the same library. Fails with
 * ERROR_UNSUPPORTED and what to install. Blocks on the disk. */
int archive_library_load(struct archive_library *library, struct error *err);
