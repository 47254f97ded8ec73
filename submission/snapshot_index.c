/* SPDX-License-Identifier: BSD-3-Clause */
/* The index as a file: a header and records of fixed size sorted by inode, read in one go and
 * searched in place. It is for this machine only, so numbers are in its byte order. */
#include "submission/snapshot_index.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define MAGIC "SKIFFIX1" /* the last character is the version of the format */
#define HASH_SIZE 32

struct record {
    uint64_t device, inode, size;
    int64_t mtime_ns, ctime_ns;
    unsigned char hash[HASH_SIZE];
};

struct header {
    char magic[8];
    uint64_t device, inode; /* of the folder */
    uint64_t count;
    unsigned char checksum[crypto_shorthash_BYTES]; /* of the records */
};

struct snapshot_index {
    uint64_t device, inode;
    struct record *records;
    size_t count;
};

/* Against damage, not against malice: whoever can write here can write the objects too. */
static void checksum(const struct record *records, size_t count,
                     unsigned char out[crypto_shorthash_BYTES])
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = {0};
    crypto_shorthash(out, (const void *)records, count * sizeof *records, key);
}

static void index_name(uint64_t device, uint64_t inode, char name[SNAPSHOT_OBJECTS_NAME_SIZE])
{
    snprintf(name, SNAPSHOT_OBJECTS_NAME_SIZE, "index/%llx-%llx", (unsigned long long)device,
             (unsigned long long)inode);
}

static bool read_exactly(int fd, void *data, size_t size)
{
    return file_read_full(fd, data, size) == (ssize_t)size;
}

/* Fills in the records. False when the file does not read back as an index of this folder. */
static bool read_records(struct snapshot_index *index, int fd)
{
    struct header header;
    struct stat st;
    unsigned char sum[crypto_shorthash_BYTES];
    if (fstat(fd, &st) != 0 || !read_exactly(fd, &header, sizeof header) ||
        memcmp(header.magic, MAGIC, sizeof header.magic) != 0 || header.device != index->device ||
        header.inode != index->inode || header.count > SNAPSHOT_ENTRIES_MAX ||
        (uint64_t)st.st_size != sizeof header + header.count * sizeof *index->records)
        return false;
    index->count = header.count;
    index->records = xcalloc(header.count, sizeof *index->records);
    if (!read_exactly(fd, index->records, header.count * sizeof *index->records))
        return false;
    checksum(index->records, index->count, sum);
    return memcmp(sum, header.checksum, sizeof sum) == 0;
}

struct snapshot_index *snapshot_index_load(const struct snapshot_objects *objects, uint64_t device,
                                           uint64_t inode)
{
    struct snapshot_index *index = xcalloc(1, sizeof *index);
    char name[SNAPSHOT_OBJECTS_NAME_SIZE];
    index->device = device;
    index->inode = inode;
    index_name(device, inode, name);
    AUTO_CLOSE int fd =
        openat(snapshot_objects_fd(objects), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && !read_records(index, fd))
        index->count = 0;
    return index;
}

void snapshot_index_free(struct snapshot_index *index)
{
    if (index == NULL)
        return;
    free(index->records);
    free(index);
}

/* --- looking up ------------------------------------------------------------------------------- */

static int compare_records(const void *a, const void *b)
{
    const struct record *left = a, *right = b;
    if (left->inode != right->inode)
        return left->inode < right->inode ? -1 : 1;
    if (left->device != right->device)
        return left->device < right->device ? -1 : 1;
    return 0;
}

/* The key of an entry, without its hash. */
static struct record record_of(const struct snapshot_entry *entry)
{
    struct record record;
    memset(&record, 0, sizeof record); /* padding included: records are compared and summed */
    record.device = entry->device;
    record.inode = entry->inode;
    record.size = entry->size;
    record.mtime_ns = entry->mtime_ns;
    record.ctime_ns = entry->ctime_ns;
    return record;
}

bool snapshot_index_find(const struct snapshot_index *index, const struct snapshot_entry *entry,
                         char ret_hash[65])
{
    struct record key = record_of(entry);
    const struct record *found = NULL;
    if (index->count > 0)
        found = bsearch(&key, index->records, index->count, sizeof key, compare_records);
    if (found == NULL || found->size != key.size || found->mtime_ns != key.mtime_ns ||
        found->ctime_ns != key.ctime_ns)
        return false;
    sodium_bin2hex(ret_hash, 65, found->hash, HASH_SIZE);
    return true;
}

/* --- saving ----------------------------------------------------------------------------------- */

/* The records of a snapshot, sorted, one for each inode (hard links share theirs). */
static struct record *collect_records(const struct snapshot *snapshot, int64_t began_ns,
                                      size_t *ret_count)
{
    struct record *records = xcalloc(snapshot->count, sizeof *records);
    int64_t quiet = began_ns - SNAPSHOT_INDEX_QUIET_NS;
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_entry *entry = &snapshot->entries[i];
        if (entry->kind != SNAPSHOT_FILE || entry->mtime_ns >= quiet || entry->ctime_ns >= quiet)
            continue;
        records[count] = record_of(entry);
        sodium_hex2bin(records[count].hash, HASH_SIZE, entry->hash, 64, NULL, NULL, NULL);
        count++;
    }
    qsort(records, count, sizeof *records, compare_records);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare_records(&records[kept - 1], &records[i]) != 0)
            records[kept++] = records[i];
    *ret_count = kept;
    return records;
}

void snapshot_index_save(const struct snapshot_index *index, struct snapshot_objects *objects,
                         const struct snapshot *snapshot, int64_t began_ns)
{
    struct header header = {.magic = MAGIC, .device = index->device, .inode = index->inode};
    char tmp[SNAPSHOT_OBJECTS_NAME_SIZE], name[SNAPSHOT_OBJECTS_NAME_SIZE];
    AUTO_FREE struct record *records = collect_records(snapshot, began_ns, &header.count);
    if (header.count == index->count &&
        (header.count == 0 || memcmp(records, index->records, header.count * sizeof *records) == 0))
        return;
    checksum(records, header.count, header.checksum);
    index_name(index->device, index->inode, name);
    AUTO_CLOSE int fd = snapshot_objects_create_tmp(objects, tmp);
    if (fd >= 0 && file_write_full(fd, &header, sizeof header) == 0 &&
        file_write_full(fd, records, header.count * sizeof *records) == 0 &&
        snapshot_objects_publish(objects, tmp, name) == 0)
        return;
    log_debug("the snapshot index was not written: %s", strerror(errno));
    if (fd >= 0)
        unlinkat(snapshot_objects_fd(objects), tmp, 0);
}
