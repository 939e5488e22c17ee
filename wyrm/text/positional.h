/* Reads at a place of a file, which any number of threads may do at a time. */
#ifndef WYRM_POSITIONAL_H
#define WYRM_POSITIONAL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#include <io.h>
#include <string.h>
#include <windows.h>
/* Bytes read, fewer than n at the end of the file only; minus an errno. */
static inline ptrdiff_t wyrm_read_at(int file, void *into, size_t n, int64_t place) {
    size_t done = 0;
    while (done < n) {
        OVERLAPPED at;
        DWORD got = 0, wanted = (DWORD)(n - done < (1u << 30) ? n - done : (1u << 30));
        uint64_t from = (uint64_t)place + done;
        memset(&at, 0, sizeof at);
        at.Offset = (DWORD)from;
        at.OffsetHigh = (DWORD)(from >> 32);
        if (!ReadFile((HANDLE)_get_osfhandle(file), (char *)into + done, wanted, &got, &at)) {
            if (GetLastError() == ERROR_HANDLE_EOF) break;
            return -EIO;
        }
        if (got == 0) break;
        done += got;
    }
    return (ptrdiff_t)done;
}
#else
#include <sys/types.h>
#include <unistd.h>
static inline ptrdiff_t wyrm_read_at(int file, void *into, size_t n, int64_t place) {
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(file, (char *)into + done, n - done, (off_t)(place + (int64_t)done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ptrdiff_t)done;
}
#endif
#endif
