#ifndef BITTERN_CLINUX_H
#define BITTERN_CLINUX_H

/* Linux calls that Swift's Glibc module does not show, because they hide behind _GNU_SOURCE. */

/* syncfs(2): 0, or -1 with errno. */
int bittern_syncfs(int descriptor);

#endif
