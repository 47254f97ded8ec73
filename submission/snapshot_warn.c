/* SPDX-License-Identifier: BSD-3-Clause */
/* Warnings about what a snapshot is going to hold. Names only: no file is opened for this. */
#include "submission/snapshot_warn.h"

#include <ctype.h>
#include <string.h>

#include "base/strlist.h"
#include "base/utf8.h"
#include "submission/ignore.h"
#include "submission/snapshot_tree.h"

#define NAMED_MAX 10 /* as many as one reads */

/* What usually holds a secret, as an ignore file over lower-case paths: the last match counts, so
 * the exceptions follow. */
static const char secrets[] = ".env\n.env.*\n*.env\n.envrc\n"
                              "!.env.example\n!.env.sample\n!.env.template\n!.env.dist\n"
                              "*.pem\n*.key\n*.pfx\n*.p12\n*.jks\n*.keystore\n*.kdbx\n*.ppk\n"
                              "id_rsa*\nid_dsa*\nid_ecdsa*\nid_ed25519*\n*_rsa\n*_ed25519\n"
                              "credentials\ncredentials.json\nclient_secret*.json\n"
                              "service[-_]account*.json\nserviceaccount*.json\n"
                              "secrets.json\nsecrets.y*ml\nsecrets.toml\n"
                              ".netrc\n_netrc\n.npmrc\n.pypirc\n.pgpass\n.git-credentials\n"
                              ".htpasswd\n.vault-token\nkubeconfig\n*.kubeconfig\n"
                              "**/.aws/**\n**/.azure/**\n**/.kube/config\n**/.ssh/**\n"
                              "**/.docker/config.json\n**/.gnupg/**\n*.tfstate\n*.publishsettings\n"
                              "!*.pub\n!known_hosts\n";

static bool looks_secret(const struct ignore_list *list, const char *path)
{
    AUTO_FREE char *lower = xstrdup(path);
    for (char *p = lower; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return ignore_match(list, lower, false, NULL);
}

/* Follows the words of the path only; what is a link in between is not looked at. */
static bool leaves_folder(const struct snapshot_entry *link)
{
    int depth = 0;
    if (link->target[0] == '/')
        return true;
    for (const char *p = strchr(link->path, '/'); p != NULL; p = strchr(p + 1, '/'))
        depth++;
    for (const char *p = link->target; *p != '\0';) {
        size_t length = strcspn(p, "/");
        if (length == 2 && memcmp(p, "..", 2) == 0)
            depth--;
        else if (length > 0 && !(length == 1 && *p == '.'))
            depth++;
        if (depth < 0)
            return true;
        p += length + strspn(p + length, "/");
    }
    return false;
}

static void note_about(struct notes *notes, struct strlist *names, const char *what,
                       const char *advice)
{
    size_t count = names->count;
    if (count == 0)
        return;
    struct strlist first = {.items = names->items, .count = count < NAMED_MAX ? count : NAMED_MAX};
    AUTO_FREE char *list = strlist_join(&first, ", ");
    AUTO_FREE char *more =
        count > first.count ? xasprintf(" and %zu more", count - first.count) : xstrdup("");
    notes_add(notes, NOTE_WARNING, 0, 0, "%s: %s%s; %s", what, list, more, advice);
}

void snapshot_warn(const struct snapshot *snapshot, struct notes *notes)
{
    AUTO_STRLIST struct strlist secret = STRLIST_INIT;
    AUTO_STRLIST struct strlist leaving = STRLIST_INIT;
    AUTO(ignore)
    struct ignore_list *list = ignore_parse(NULL, "", "", secrets, sizeof secrets - 1);
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_entry *entry = &snapshot->entries[i];
        if (entry->kind == SNAPSHOT_FILE && looks_secret(list, entry->path))
            strlist_take(&secret, utf8_shown(entry->path));
        if (entry->kind == SNAPSHOT_LINK && leaves_folder(entry))
            strlist_take(&leaving, utf8_shown(entry->path));
    }
    AUTO_FREE char *advice =
        xasprintf("to leave them out, name them in %s", snapshot_tree_rules(snapshot));
    note_about(notes, &secret, "files that look like secrets are part of the snapshot", advice);
    note_about(notes, &leaving, "links that lead out of the folder will not resolve elsewhere",
               "copy what they point to into the folder, or name it by its path");
}
