#define _GNU_SOURCE
#include "CLinux.h"

#include <stddef.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

int bittern_syncfs(int descriptor) {
    return syncfs(descriptor);
}

int bittern_locks_limit(pid_t process, uint64_t *limit) {
    struct rlimit limits;
    if (prlimit(process, RLIMIT_LOCKS, NULL, &limits) != 0) return -1;
    *limit = limits.rlim_max;
    return 0;
}

int bittern_pidfd_open(pid_t process) {
    return pidfd_open(process, 0);
}

int bittern_pidfd_send_signal(int descriptor, int signal) {
    return pidfd_send_signal(descriptor, signal, NULL, 0);
}

int bittern_clock_is_synchronised(void) {
    struct timex state = {.modes = 0};
    if (adjtimex(&state) == -1) return -1;
    return (state.status & STA_UNSYNC) == 0;
}
