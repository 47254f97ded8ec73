/* SPDX-License-Identifier: BSD-3-Clause */
/* The names in a folder of ours. Dot names are temporaries, everywhere below $SKIFF_HOME. */
#include "submission/listing.h"

#include <dirent.h>
#include <errno.h>

int listing_read(const char *dir, struct strlist *ret_names, struct error *err)
{
    DIR *stream = opendir(dir);
    if (stream == NULL)
        return errno == ENOENT ? 0 : error_errno(err, "cannot list %s", dir);
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.')
            strlist_add(ret_names, entry->d_name);
    int result = errno != 0 ? error_errno(err, "cannot list %s", dir) : 0;
    closedir(stream);
    strlist_sort(ret_names);
    return result;
}
