/* SPDX-License-Identifier: Apache-2.0
 * A disk and a clock with faults, preloaded into a process. The file named by HP_FAULTS is mapped and says which, at
 * any moment: milliseconds that each sync takes, errno of each sync, errno of each write, seconds by which the clock is
 * wrong. Sockets, pipes and the first three files are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults { int32_t sync_ms, sync_errno, write_errno, unused; int64_t clock_s; };
static volatile struct faults *faults;

__attribute__((constructor)) static void begin(void) {
    static struct faults none;
    const char *path = getenv("HP_FAULTS");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    faults = at == MAP_FAILED ? &none : at;
    if (fd >= 0) close(fd);
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int fails(int fd) {
    struct stat about;
    if (!faults || !faults->write_errno || fd < 3 || fstat(fd, &about) || !S_ISREG(about.st_mode)) return 0;
    errno = faults->write_errno;
    return 1;
}

static int synced(int fd, int (*real)(int)) {
    if (faults && faults->sync_ms) {
        struct timespec wait = {faults->sync_ms / 1000, faults->sync_ms % 1000 * 1000000L};
        nanosleep(&wait, 0);
    }
    if (faults && faults->sync_errno) { errno = faults->sync_errno; return -1; }
    return real(fd);
}

int fsync(int fd) { REAL(int, fsync, int); return synced(fd, real); }
int fdatasync(int fd) { REAL(int, fdatasync, int); return synced(fd, real); }
ssize_t write(int fd, const void *data, size_t n) {
    REAL(ssize_t, write, int, const void *, size_t);
    return fails(fd) ? -1 : real(fd, data, n);
}
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    return fails(fd) ? -1 : real(fd, data, n, at);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return fails(fd) ? -1 : real(fd, data, n, at);
}
int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int result = real(which, now);
    if (!result && faults && which == CLOCK_REALTIME) now->tv_sec += faults->clock_s;
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(int, gettimeofday, struct timeval *restrict, void *restrict);
    int result = real(now, zone);
    if (!result && faults) now->tv_sec += faults->clock_s;
    return result;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
