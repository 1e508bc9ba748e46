/* A library for LD_PRELOAD that hurts a process at the n-th call which reads or changes files under a folder.

   FAULT = "folder|kinds|n|action|after" in the environment, or fault_arm() with the same text. `kinds` are letters:
   o open to write, w write, s fsync, t truncate, r rename, u unlink and rmdir, l link and symlink, m mkdir, i utimes,
   R read, O open to read. `action`: above 0 the errno that the call fails with, below 0 the signal that the process gets
   before it, 0 none. `after` is "on" where all later calls fail too, "once" where they do not.
   CLOCK = "n|seconds": from the n-th question on the clock is that much behind. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char folder[4096], kinds[32];
static size_t length;
static int nth, action, goes_on, seen, armed;
static long clock_nth, clock_behind, clock_seen;

void fault_arm(const char *text) {
    char after[8] = "";
    armed = seen = 0;
    if (sscanf(text, "%4095[^|]|%31[^|]|%d|%d|%7s", folder, kinds, &nth, &action, after) < 4) return;
    length = strlen(folder);
    goes_on = !strcmp(after, "on");
    armed = 1;
}

int fault_seen(void) { return seen; }

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAULT"), *clock = getenv("CLOCK");
    if (text) fault_arm(text);
    if (clock) sscanf(clock, "%ld|%ld", &clock_nth, &clock_behind);
}

/* Whether the call fails: the errno; the process may get a signal in here. */
static int hurt(char kind, const char *path) {
    if (!armed || !path || !strchr(kinds, kind) || strncmp(path, folder, length)) return 0;
    int n = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (n != nth && !(goes_on && n > nth)) return 0;
    if (action < 0) kill(getpid(), -action);
    return action > 0 ? action : 0;
}

static int hurt_file(char kind, int file) {
    char link[64], path[4096];
    if (!armed || !strchr(kinds, kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return hurt(kind, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(kind, path) do { int e = hurt(kind, path); if (e) { errno = e; return -1; } } while (0)
#define FAIL_FILE(kind, file) do { int e = hurt_file(kind, file); if (e) { errno = e; return -1; } } while (0)
#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & O_CREAT))
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        FAIL(WRITES(flags) ? 'o' : 'O', path); return REAL(name)(path, flags, mode); }
#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        FAIL(WRITES(flags) ? 'o' : 'O', path); return REAL(name)(at, path, flags, mode); }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)
ssize_t write(int f, const void *d, size_t n) { FAIL_FILE('w', f); return REAL(write)(f, d, n); }
ssize_t writev(int f, const struct iovec *v, int n) { FAIL_FILE('w', f); return REAL(writev)(f, v, n); }
ssize_t read(int f, void *d, size_t n) { FAIL_FILE('R', f); return REAL(read)(f, d, n); }
int fsync(int f) { FAIL_FILE('s', f); return REAL(fsync)(f); }
int fdatasync(int f) { FAIL_FILE('s', f); return REAL(fdatasync)(f); }
int ftruncate(int f, off_t n) { FAIL_FILE('t', f); return REAL(ftruncate)(f, n); }
int ftruncate64(int f, off64_t n) { FAIL_FILE('t', f); return REAL(ftruncate64)(f, n); }
int rename(const char *a, const char *b) { FAIL('r', b); return REAL(rename)(a, b); }
int renameat(int p, const char *a, int q, const char *b) { FAIL('r', b); return REAL(renameat)(p, a, q, b); }
int unlink(const char *a) { FAIL('u', a); return REAL(unlink)(a); }
int unlinkat(int p, const char *a, int k) { FAIL('u', a); return REAL(unlinkat)(p, a, k); }
int rmdir(const char *a) { FAIL('u', a); return REAL(rmdir)(a); }
int link(const char *a, const char *b) { FAIL('l', b); return REAL(link)(a, b); }
int linkat(int p, const char *a, int q, const char *b, int k) { FAIL('l', b); return REAL(linkat)(p, a, q, b, k); }
int symlink(const char *a, const char *b) { FAIL('l', b); return REAL(symlink)(a, b); }
int symlinkat(const char *a, int q, const char *b) { FAIL('l', b); return REAL(symlinkat)(a, q, b); }
int mkdir(const char *a, mode_t m) { FAIL('m', a); return REAL(mkdir)(a, m); }
int mkdirat(int p, const char *a, mode_t m) { FAIL('m', a); return REAL(mkdirat)(p, a, m); }
int utimensat(int p, const char *a, const struct timespec t[2], int k) { FAIL('i', a); return REAL(utimensat)(p, a, t, k); }
int clock_gettime(clockid_t which, struct timespec *now) {
    int done = REAL(clock_gettime)(which, now);
    if (which == CLOCK_REALTIME && clock_nth && __atomic_add_fetch(&clock_seen, 1, __ATOMIC_SEQ_CST) >= clock_nth)
        now->tv_sec -= clock_behind;
    return done;
}
