#ifndef BITTERN_CSQLITE_H
#define BITTERN_CSQLITE_H

/* sqlite3_config(3) takes any number of arguments, and such functions Swift cannot call. */

/* SQLITE_CONFIG_MEMSTATUS, off: SQLite counts no memory, for which it would take a lock of the whole process at each allocation. An SQLite
   result code; SQLITE_MISUSE when SQLite is in use already. */
int bittern_sqlite_count_no_memory(void);

#endif
