#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
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

static const int all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

int bittern_sealed_file(const char *name, const void *bytes, size_t count) {
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -1;
    size_t written = 0;
    while (written < count) {
        ssize_t part = write(descriptor, (const char *)bytes + written, count - written);
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) goto failed;
        written += (size_t)part;
    }
    if (lseek(descriptor, 0, SEEK_SET) != 0 || fcntl(descriptor, F_ADD_SEALS, all_seals) != 0) goto failed;
    return descriptor;
failed:;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

int bittern_is_sealed(int descriptor) {
    int seals = fcntl(descriptor, F_GET_SEALS);
    return seals >= 0 && (seals & all_seals) == all_seals;
}

int bittern_hide_memory(void) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
