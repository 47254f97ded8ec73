/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing fully: through a pipe, which gives and takes in parts, while signals without
 * SA_RESTART interrupt both sides. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#include "tests/unit.h"

#define PIPED (3 << 20) /* many times what a pipe holds */

static void do_nothing(int number)
{
    (void)number;
}

struct reader {
    int fd;
    char *data;
    ssize_t got;
    _Atomic bool done;
};

static void *read_it(void *data)
{
    struct reader *reader = data;
    reader->got = file_read_full(reader->fd, reader->data, PIPED + 1);
    reader->done = true;
    return NULL;
}

struct writer {
    int fd;
    const char *data;
    int result;
};

static void *write_it(void *data)
{
    struct writer *writer = data;
    writer->result = file_write_full(writer->fd, writer->data, PIPED);
    close(writer->fd);
    return NULL;
}

static void all_of_it_goes_through_a_pipe(void **state)
{
    (void)state;
    int ends[2];
    pthread_t reading, writing;
    AUTO_FREE char *sent = xmalloc(PIPED), *received = xmalloc(PIPED + 1);
    struct sigaction interrupt = {.sa_handler = do_nothing}, before;
    for (size_t i = 0; i < PIPED; i++)
        sent[i] = (char)(i * 7 + i / 4096);
    assert_int_equal(sigaction(SIGUSR1, &interrupt, &before), 0);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct reader reader = {.fd = ends[0], .data = received};
    struct writer writer = {.fd = ends[1], .data = sent};
    assert_int_equal(pthread_create(&reading, NULL, read_it, &reader), 0);
    /* Nothing is sent yet: what the reader waits in ends with EINTR, again and again. */
    for (int i = 0; i < 200; i++)
        pthread_kill(reading, SIGUSR1);
    assert_int_equal(pthread_create(&writing, NULL, write_it, &writer), 0);
    while (!reader.done) {
        pthread_kill(reading, SIGUSR1);
        pthread_kill(writing, SIGUSR1);
    }
    close(ends[0]); /* had the reader given up, the writer would wait for ever */
    pthread_join(reading, NULL);
    pthread_join(writing, NULL);
    assert_int_equal(writer.result, 0);
    assert_int_equal(reader.got, PIPED); /* less than asked for: the end came first */
    assert_memory_equal(received, sent, PIPED);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static void what_cannot_be_read_or_written_says_why(void **state)
{
    (void)state;
    char byte = 0;
    AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    AUTO_CLOSE int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_write_full(full, "x", 1), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(file_read_full(dir, &byte, 1), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(file_write_full(full, "", 0), 0);
}

/* Sizes around the step in which a file is read, and the limit from both sides. */
static void a_whole_file_is_read_up_to_a_limit(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 200001};
    char path[] = "/tmp/skiff-test-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);
    AUTO_FREE char *data = xmalloc(200001);
    assert_true(fd >= 0);
    for (size_t i = 0; i < 200001; i++)
        data[i] = (char)(i * 7 + i / 1000);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_BUF struct buf text = BUF_INIT, cut = BUF_INIT;
        assert_int_equal(file_write(path, data, sizes[i], 0600, NULL), 0);
        buf_puts(&text, "before:");
        assert_int_equal(file_read(path, sizes[i], &text, NULL), 0);
        assert_int_equal(text.size, 7 + sizes[i]);
        assert_memory_equal(text.data + 7, data, sizes[i]);
        assert_int_equal(text.data[text.size], '\0');
        if (sizes[i] == 0)
            continue;
        assert_int_equal(file_read(path, sizes[i] - 1, &cut, &err), -1);
        assert_int_equal(err.code, ERROR_LIMIT);
    }
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(all_of_it_goes_through_a_pipe),
        UNIT(what_cannot_be_read_or_written_says_why),
        UNIT(a_whole_file_is_read_up_to_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
