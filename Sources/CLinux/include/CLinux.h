#ifndef BITTERN_CLINUX_H
#define BITTERN_CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Linux calls that Swift's Glibc module does not show, because they hide behind _GNU_SOURCE or in headers of their own. */

/* syncfs(2): 0, or -1 with errno. */
int bittern_syncfs(int descriptor);

/* prlimit(2), of RLIMIT_LOCKS: 0 and the process's hard limit, or -1 with errno. */
int bittern_locks_limit(pid_t process, uint64_t *limit);

/* pidfd_open(2): a descriptor, which is closed on exec, or -1 with errno. */
int bittern_pidfd_open(pid_t process);

/* pidfd_send_signal(2): 0, or -1 with errno. */
int bittern_pidfd_send_signal(int descriptor, int signal);

/* adjtimex(2): 1 when something keeps the kernel's clock right, 0 when nothing does, -1 with errno when nobody may ask. */
int bittern_clock_is_synchronised(void);

/* memfd_create(2) and F_ADD_SEALS (fcntl(2)): a file without a name that holds the bytes and never anything else, at its beginning; it is
   closed on exec. A descriptor, or -1 with errno. */
int bittern_sealed_file(const char *name, const void *bytes, size_t count);

/* F_GET_SEALS: 1 when nobody can change the file any more, neither its bytes nor its length, 0 when somebody can or it is another kind of
   file. */
int bittern_is_sealed(int descriptor);

/* PR_SET_DUMPABLE (prctl(2)): from now on no process of the same user can look into this one (ptrace(2), /proc/PID/mem), and it
   leaves no core. 0, or -1 with errno. */
int bittern_hide_memory(void);

/* recvmsg(2) with SCM_RIGHTS (unix(7)): as recv(2), and *descriptor is the one that came along, closed on exec, or -1. Of several only
   the first is kept open. */
ssize_t bittern_receive(int socket, void *buffer, size_t count, int *descriptor);

/* sendmsg(2) with SCM_RIGHTS (unix(7)): as send(2) without SIGPIPE, and the descriptor goes along unless it is -1. */
ssize_t bittern_send(int socket, const void *buffer, size_t count, int descriptor);

/* SO_PEERCRED (unix(7)): 0 and the user who opened the other end, or -1 with errno. */
int bittern_peer_user(int socket, uid_t *user);

#endif
