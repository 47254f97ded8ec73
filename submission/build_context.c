/* SPDX-License-Identifier: BSD-3-Clause */
/* Packs what build_context_list.c has found: one pass over the contents, which go into the tar and into
 * the hash. The tar is GNU's format, which has names as bytes whatever the locale, and is what every
 * engine reads. The hash frames each entry, so that no two contexts give the same bytes. */
#include "submission/build_context.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "submission/archive_library.h"
#include "submission/build_context_list.h"
#include "submission/dockerignore.h"

/* What is read, hashed and written at once: most files whole, and still in the second-level cache. */
#define BLOCK_SIZE (256 * 1024)

struct build_context {
    int fd;
    uint64_t size;
    size_t files;
    char hash[65];
};

struct pack {
    const struct build_context_list *list;
    const struct build_context_limits *limits;
    struct build_context_progress *progress;
    struct build_context *context;
    struct error *err;
    const char *temporary_dir;
    struct archive_library library;
    struct archive *archive;
    crypto_generichash_state hash;
    uint64_t bytes;
    char *block;
};

/* --- the tar ---------------------------------------------------------------------------------- */

/* A file without a name: nothing to remove, whatever happens. */
static int make_unnamed(const char *dir, struct error *err)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        AUTO_FREE char *path = file_join(dir, "skiff-context-XXXXXX");
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    return fd >= 0 ? fd : error_errno(err, "cannot make a temporary file in %s", dir);
}

static int fail_to_write(struct pack *pack)
{
    int reason = pack->library.errno_of(pack->archive);
    if (reason <= 0) { /* libarchive's own, such as a name it cannot write */
        const char *text = pack->library.error_string(pack->archive);
        return error_set(pack->err, ERROR_IO, "cannot pack the build context: %s",
                         text != NULL ? text : "libarchive does not say why");
    }
    errno = reason;
    return error_errno(pack->err, "cannot write the build context to a temporary file in %s",
                       pack->temporary_dir);
}

static int open_archive(struct pack *pack)
{
    const struct archive_library *library = &pack->library;
    pack->archive = library->write_new();
    if (pack->archive == NULL)
        return error_set(pack->err, ERROR_INTERNAL, "libarchive does not start");
    if (library->write_set_format_gnutar(pack->archive) != ARCHIVE_OK ||
        library->write_set_bytes_per_block(pack->archive, BLOCK_SIZE) != ARCHIVE_OK ||
        library->write_set_bytes_in_last_block(pack->archive, 1) != ARCHIVE_OK ||
        library->write_open_fd(pack->archive, pack->context->fd) != ARCHIVE_OK)
        return fail_to_write(pack);
    return 0;
}

static int write_header(struct pack *pack, const struct build_context_entry *entry)
{
    const struct archive_library *library = &pack->library;
    struct archive_entry *header = library->entry_new(); /* owner 0:0 */
    if (header == NULL)
        return error_set(pack->err, ERROR_INTERNAL, "libarchive has no memory");
    library->entry_set_pathname(header, entry->path);
    library->entry_set_filetype(header, entry->mode & S_IFMT);
    library->entry_set_perm(header, entry->mode & 07777);
    library->entry_set_size(header, (int64_t)entry->size);
    library->entry_set_mtime(header, entry->mtime > 0 ? entry->mtime : 0, 0);
    if (entry->target != NULL)
        library->entry_set_symlink(header, entry->target);
    int result = library->write_header(pack->archive, header);
    library->entry_free(header);
    return result == ARCHIVE_OK ? 0 : fail_to_write(pack);
}

/* --- one entry -------------------------------------------------------------------------------- */

static void hash_bytes(struct pack *pack, const void *bytes, size_t size)
{
    crypto_generichash_update(&pack->hash, bytes, size);
}

/* Texts end with a NUL, which they cannot hold; a content's size stands before it. */
static int begin_entry(struct pack *pack, const struct build_context_entry *entry)
{
    bool program = S_ISREG(entry->mode) && (entry->mode & S_IXUSR) != 0;
    const char kind = S_ISDIR(entry->mode) ? 'd' : S_ISLNK(entry->mode) ? 'l' : program ? 'x' : 'f';
    unsigned char size[8];
    for (size_t i = 0; i < sizeof size; i++)
        size[i] = (unsigned char)(entry->size >> (8 * i));
    hash_bytes(pack, &kind, 1);
    hash_bytes(pack, entry->path, strlen(entry->path) + 1);
    hash_bytes(pack, size, sizeof size);
    if (entry->target != NULL)
        hash_bytes(pack, entry->target, strlen(entry->target) + 1);
    return write_header(pack, entry);
}

static int add_bytes(struct pack *pack, const char *bytes, size_t size)
{
    hash_bytes(pack, bytes, size);
    pack->bytes += size;
    pack->progress->bytes = pack->bytes;
    while (size > 0) {
        la_ssize_t written = pack->library.write_data(pack->archive, bytes, size);
        if (written <= 0)
            return fail_to_write(pack);
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

static int fail_changed(struct pack *pack, const struct build_context_entry *entry)
{
    AUTO_FREE char *shown = utf8_shown(entry->path);
    AUTO_FREE char *line = dockerignore_line(entry->path);
    error_set(pack->err, ERROR_BUSY, "%s of the build context changed while it was read", shown);
    return error_hint(pack->err,
                      "try again, or leave it out with this line in %s if something keeps writing "
                      "to it: %s",
                      pack->list->ignore_name, line);
}

/* Opens the file and takes its size and time as they are now: what the list has may be minutes old. */
static int open_file(struct pack *pack, struct build_context_entry *entry, struct stat *ret_st)
{
    int fd = openat(pack->list->root, entry->path,
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENXIO))
        return fail_changed(pack, entry);
    if (fd < 0 || fstat(fd, ret_st) != 0) {
        build_context_list_unreadable(pack->list, entry->path, pack->err);
    } else if (!S_ISREG(ret_st->st_mode) ||
               pack->bytes + (uint64_t)ret_st->st_size > pack->limits->bytes_max) {
        fail_changed(pack, entry);
    } else {
        entry->mode = ret_st->st_mode;
        entry->size = (uint64_t)ret_st->st_size;
        entry->mtime = ret_st->st_mtim.tv_sec;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int copy_contents(struct pack *pack, const struct build_context_entry *entry, int fd)
{
    for (uint64_t left = entry->size; left > 0;) {
        if (pack->progress->cancelled)
            return error_set(pack->err, ERROR_CANCELLED, "stopped while packing the build context");
        size_t want = left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE;
        ssize_t got = file_read_full(fd, pack->block, want);
        if (got < 0)
            return build_context_list_unreadable(pack->list, entry->path, pack->err);
        if ((size_t)got < want)
            return fail_changed(pack, entry);
        if (add_bytes(pack, pack->block, want) != 0)
            return -1;
        left -= want;
    }
    return 0;
}

static int add_file(struct pack *pack, struct build_context_entry *entry)
{
    struct stat before, after;
    AUTO_CLOSE int fd = open_file(pack, entry, &before);
    if (fd < 0 || begin_entry(pack, entry) != 0 || copy_contents(pack, entry, fd) != 0)
        return -1;
    if (fstat(fd, &after) != 0)
        return build_context_list_unreadable(pack->list, entry->path, pack->err);
    if (after.st_size != before.st_size || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
        after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
        return fail_changed(pack, entry);
    return 0;
}

static int add_entry(struct pack *pack, struct build_context_entry *entry)
{
    if (pack->progress->cancelled)
        return error_set(pack->err, ERROR_CANCELLED, "stopped while packing the build context");
    if (S_ISREG(entry->mode) && entry->own == NULL) {
        if (add_file(pack, entry) != 0)
            return -1;
    } else if (begin_entry(pack, entry) != 0 ||
               (entry->own != NULL && add_bytes(pack, entry->own->bytes, entry->own->size) != 0)) {
        return -1;
    }
    if (pack->library.write_finish_entry(pack->archive) != ARCHIVE_OK)
        return fail_to_write(pack);
    if (!S_ISDIR(entry->mode))
        pack->progress->files = ++pack->context->files;
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int finish(struct pack *pack)
{
    struct build_context *context = pack->context;
    unsigned char hash[32];
    if (pack->library.write_close(pack->archive) != ARCHIVE_OK)
        return fail_to_write(pack);
    off_t size = lseek(context->fd, 0, SEEK_CUR);
    if (size < 0 || lseek(context->fd, 0, SEEK_SET) != 0)
        return error_errno(pack->err, "cannot rewind the temporary file of the build context");
    context->size = (uint64_t)size;
    crypto_generichash_final(&pack->hash, hash, sizeof hash);
    sodium_bin2hex(context->hash, sizeof context->hash, hash, sizeof hash);
    return 0;
}

static int pack_all(struct pack *pack, struct build_context_list *list)
{
    if (archive_library_load(&pack->library, pack->err) != 0)
        return -1;
    pack->context->fd = make_unnamed(pack->temporary_dir, pack->err);
    if (pack->context->fd < 0 || open_archive(pack) != 0)
        return -1;
    crypto_generichash_init(&pack->hash, NULL, 0, 32);
    for (size_t i = 0; i < list->count; i++)
        if (add_entry(pack, &list->entries[i]) != 0)
            return -1;
    return finish(pack);
}

int build_context_pack(const struct build_context_request *request,
                       struct build_context_progress *progress, struct build_context **ret_context,
                       struct error *err)
{
    static const struct build_context_limits limits = {.bytes_max = BUILD_CONTEXT_BYTES_MAX,
                                                       .entries_max = BUILD_CONTEXT_ENTRIES_MAX,
                                                       .depth_max = BUILD_CONTEXT_DEPTH_MAX};
    struct build_context_progress unseen = {.files = 0};
    AUTO_BUILD_CONTEXT_LIST struct build_context_list list = BUILD_CONTEXT_LIST_INIT;
    AUTO(build_context) struct build_context *context = xcalloc(1, sizeof *context);
    AUTO_FREE char *block = xmalloc(BLOCK_SIZE);
    struct pack pack = {.list = &list,
                        .limits = &limits,
                        .progress = progress != NULL ? progress : &unseen,
                        .context = context,
                        .err = err,
                        .temporary_dir = request->temporary_dir,
                        .block = block};
    context->fd = -1;
    pack.progress->files = pack.progress->bytes = 0;
    if (build_context_list_fill(&list, request, &limits, pack.progress, err) != 0)
        return -1;
    int result = pack_all(&pack, &list);
    if (pack.archive != NULL)
        pack.library.write_free(pack.archive);
    if (result != 0)
        return -1;
    *ret_context = steal(&context);
    return 0;
}

ssize_t build_context_read(struct build_context *context, char *room, size_t size,
                           struct error *err)
{
    ssize_t got;
    do
        got = read(context->fd, room, size);
    while (got < 0 && errno == EINTR);
    return got >= 0 ? got : error_errno(err, "cannot read the packed build context");
}

const char *build_context_hash(const struct build_context *context)
{
    return context->hash;
}

size_t build_context_files(const struct build_context *context)
{
    return context->files;
}

uint64_t build_context_size(const struct build_context *context)
{
    return context->size;
}

void build_context_free(struct build_context *context)
{
    if (context == NULL)
        return;
    if (context->fd >= 0)
        close(context->fd);
    free(context);
}
