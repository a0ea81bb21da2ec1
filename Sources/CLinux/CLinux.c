#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

ssize_t bittern_receive(int socket, void *buffer, size_t count, int *descriptor) {
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = buffer, .iov_len = count};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    *descriptor = -1;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return -1;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head != NULL; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        size_t all = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < all; index++) {
            int one;
            memcpy(&one, CMSG_DATA(head) + index * sizeof one, sizeof one);
            if (*descriptor < 0) *descriptor = one; else close(one);
        }
    }
    return received;
}

ssize_t bittern_send(int socket, const void *buffer, size_t count, int descriptor) {
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (void *)buffer, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

int bittern_peer_user(int socket, uid_t *user) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    *user = peer.uid;
    return 0;
}
