/* Stops a process, or fails its disk, at its nth change to a file below a folder.

   Loaded with LD_PRELOAD. `faults_arm` says where and how; until then, and for other files, everything goes through.
   Modes: 0 only counts; 1 dies before the change; 2 dies after half of it (a torn write); 3 dies and takes
   back every write that no fsync has followed, as a disk that lost power may; 4 does so for about every other one, in
   whatever order they came; 5 fails with ENOSPC and 6 with EIO, this once; 7 and 8 likewise from here on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT, DIE, TEAR, LOSE, SHUFFLE, FULL_ONCE, FAIL_ONCE, FULL_ON, FAIL_ON };

static char folder[4096];
static long calls, stop;
static int mode;
static unsigned seed;

struct undo {
    struct undo *next;
    dev_t dev;
    ino_t ino;
    int fd;
    off_t at, size;
    size_t old;
    char data[];
};
static struct undo *unsynced;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static ssize_t real_pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite64);
    return real(fd, data, size, at);
}
static int real_ftruncate(int fd, off_t size) { REAL(ftruncate64); return real(fd, size); }

void faults_arm(const char *below, long at, int how, unsigned with_seed) {
    strncpy(folder, below, sizeof folder - 1);
    calls = 0;
    stop = at;
    mode = how;
    seed = with_seed;
}
void faults_disarm(void) { folder[0] = 0; }
long faults_calls(void) { return calls; }

static int below_name(const char *name) {
    return folder[0] && strncmp(name, folder, strlen(folder)) == 0;
}
static int below(int fd) {
    if (!folder[0]) return 0;
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return below_name(name);
}

static void die(void) {
    /* Newest first, so that what is taken back is what was there before the oldest of them. */
    for (struct undo *u = unsynced; u; u = u->next) {
        if (mode == SHUFFLE && (seed = seed * 1103515245u + 12345u) & 0x10000) continue;
        real_pwrite(u->fd, u->data, u->old, u->at);
        if (mode == LOSE) real_ftruncate(u->fd, u->size);
    }
    _exit(137);
}

/* Counts one change; returns an errno to fail with, or 0. */
static int change(void) {
    long call = ++calls;
    if (call == stop && (mode == DIE || mode == LOSE || mode == SHUFFLE)) die();
    if ((call == stop && mode == FULL_ONCE) || (call >= stop && mode == FULL_ON)) return ENOSPC;
    if ((call == stop && mode == FAIL_ONCE) || (call >= stop && mode == FAIL_ON)) return EIO;
    return 0;
}

static void remember(int fd, size_t size, off_t at) {
    if (mode != LOSE && mode != SHUFFLE) return;
    struct stat now;
    struct undo *u = malloc(sizeof *u + size);
    if (!u || fstat(fd, &now)) abort();
    ssize_t old = pread(fd, u->data, size, at);
    *u = (struct undo){unsynced, now.st_dev, now.st_ino, dup(fd), at, now.st_size, old < 0 ? 0 : old};
    unsynced = u;
}
static void synced(int fd) {
    struct stat now;
    if ((mode != LOSE && mode != SHUFFLE) || fstat(fd, &now)) return;
    for (struct undo **place = &unsynced; *place;) {
        struct undo *u = *place;
        if (u->dev == now.st_dev && u->ino == now.st_ino) {
            *place = u->next;
            close(u->fd);
            free(u);
        } else place = &u->next;
    }
}

#define FAIL_IF_TOLD() do { int e = change(); if (e) { errno = e; return -1; } } while (0)

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    if (!below(fd)) return real_pwrite(fd, data, size, at);
    FAIL_IF_TOLD();
    if (mode == TEAR && calls == stop) {
        real_pwrite(fd, data, size / 2, at);
        _exit(137);
    }
    remember(fd, size, at);
    return real_pwrite(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (!below(fd)) return real(fd, data, size);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t done = pwrite64(fd, data, size, at);
    if (done > 0) lseek(fd, at + done, SEEK_SET);
    return done;
}

#define ONE(name, arguments, values, test) \
    int name arguments { \
        REAL(name); \
        if (!(test)) return real values; \
        FAIL_IF_TOLD(); \
        if (mode == TEAR && calls == stop) _exit(137); \
        return real values; \
    }
ONE(ftruncate64, (int fd, off64_t size), (fd, size), below(fd))
ONE(ftruncate, (int fd, off_t size), (fd, size), below(fd))
ONE(unlink, (const char *name), (name), below_name(name))
ONE(rename, (const char *from, const char *to), (from, to), below_name(from))
ONE(mkdir, (const char *name, mode_t how), (name, how), below_name(name))

#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        if (!below(fd)) return real(fd); \
        FAIL_IF_TOLD(); \
        if (mode == TEAR && calls == stop) _exit(137); \
        int result = real(fd); \
        if (result == 0) synced(fd); \
        return result; \
    }
SYNC(fsync)
SYNC(fdatasync)
