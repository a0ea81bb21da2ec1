#ifndef BITTERN_CLINUX_H
#define BITTERN_CLINUX_H

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

#endif
