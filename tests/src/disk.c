/* Stands before fsync and fdatasync of the C library, so a program sees a slow disk. The file that
 * PARLOUR_DISK names says by how many milliseconds each call takes longer. While it says -1, no call
 * ends. Each call adds a byte to the file PARLOUR_DISK.syncs. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long extra_ms(const char *path) {
    long ms = 0;
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%ld", &ms) != 1)
            ms = 0;
        fclose(file);
    }
    return ms;
}

static void be_slow(void) {
    const char *path = getenv("PARLOUR_DISK");
    char count[4096];
    long ms;
    if (!path)
        return;
    snprintf(count, sizeof count, "%s.syncs", path);
    int fd = open(count, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, "x", 1) != 1)
            abort();
        close(fd);
    }
    while ((ms = extra_ms(path)) < 0)
        usleep(5 * 1000);
    usleep(ms * 1000);
}

int fsync(int fd) {
    be_slow();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    be_slow();
    return (int)syscall(SYS_fdatasync, fd);
}
