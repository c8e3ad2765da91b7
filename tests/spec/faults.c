/*
 * Faults of the system under a program, for tests: loaded by LD_PRELOAD, and controlled by another process through the file
 * that GRANTD_TEST_FAULTS names. Without that variable, or with a file of zeros, nothing is changed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The layout of the file; tests/spec/shim.rs writes it. */
struct control {
    int64_t clock_offset_seconds; /* added to the wall clock */
    int64_t fail_sync;            /* syncs of the database's files fail with EIO */
    int64_t fail_write;           /* writes of the database's files fail with EIO */
    int64_t kill_at;              /* the process kills itself at this step from now on; 0: never */
};

static volatile struct control *control(void)
{
    static volatile struct control *mapped;
    static struct control none;
    if (mapped)
        return mapped;
    const char *path = getenv("GRANTD_TEST_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    mapped = at == MAP_FAILED ? &none : at;
    return mapped;
}

/* Whether the descriptor is one of the database, its log or its lock. */
static int is_database(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/grantd.db") != NULL;
}

static int is_socket(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* A step of a redemption that another process, the disk or a client can see: before and after each the program may be killed. */
static void step(int seen)
{
    if (!seen || !control()->kill_at)
        return;
    if (__atomic_sub_fetch((int64_t *)&control()->kill_at, 1, __ATOMIC_SEQ_CST) == 0) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *at)
{
    static __typeof__(&clock_gettime) next;
    if (!next)
        next = NEXT(clock_gettime);
    int result = next(clock, at);
    if (result == 0 && clock == CLOCK_REALTIME)
        at->tv_sec += control()->clock_offset_seconds;
    return result;
}

#define SYNC(name)                                                                                                             \
    int name(int fd)                                                                                                           \
    {                                                                                                                          \
        int ours = is_database(fd);                                                                                            \
        if (ours && control()->fail_sync) {                                                                                    \
            errno = EIO;                                                                                                       \
            return -1;                                                                                                         \
        }                                                                                                                      \
        step(ours);                                                                                                            \
        int result = NEXT(name)(fd);                                                                                           \
        step(ours);                                                                                                            \
        return result;                                                                                                         \
    }
SYNC(fsync)
SYNC(fdatasync)

#define POSITIONED(name, offset_type)                                                                                          \
    ssize_t name(int fd, const void *bytes, size_t count, offset_type offset)                                                  \
    {                                                                                                                          \
        int ours = is_database(fd);                                                                                            \
        if (ours && control()->fail_write) {                                                                                   \
            errno = EIO;                                                                                                       \
            return -1;                                                                                                         \
        }                                                                                                                      \
        step(ours);                                                                                                            \
        ssize_t result = NEXT(name)(fd, bytes, count, offset);                                                                 \
        step(ours);                                                                                                            \
        return result;                                                                                                         \
    }
POSITIONED(pwrite, off_t)
POSITIONED(pwrite64, off64_t)

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
    step(1);
    ssize_t result = NEXT(send)(fd, bytes, count, flags);
    step(1);
    return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    int ours = is_socket(fd);
    step(ours);
    ssize_t result = NEXT(writev)(fd, parts, count);
    step(ours);
    return result;
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
    ssize_t result = NEXT(recv)(fd, bytes, count, flags);
    step(result > 0);
    return result;
}
