// Declarations of the Linux C library that Swift's Glibc module does not export. Without _GNU_SOURCE, like that module: types that
// both see must look the same to both.
#ifndef WIREBENCH_CLINUX_H
#define WIREBENCH_CLINUX_H
#include "CLinuxProcess.h"
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/// memfd_create(2): an anonymous file in memory, close-on-exec. Returns the descriptor, or -1 with errno set.
int clinux_memfd_create(const char *name);

/// epoll_pwait2(2) without a signal mask: waits at most `nanoseconds` (negative: for ever). On kernels before 5.11, rounds up
/// to milliseconds. Returns the number of events, or -1 with errno set.
int clinux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds);
#endif
