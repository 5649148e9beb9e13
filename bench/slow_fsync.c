/* Adds a millisecond to fsync and fdatasync, which is what a disk without a write cache of its own takes at best.
   Use: LD_PRELOAD=slow_fsync.so program */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

static void wait_a_millisecond(void) {
    struct timespec span = {0, 1000000};
    nanosleep(&span, NULL);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_a_millisecond();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_a_millisecond();
    return real(fd);
}
