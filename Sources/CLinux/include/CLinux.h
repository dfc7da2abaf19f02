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

/// recvmsg(2) of a Unix socket without waiting: up to `capacity` bytes, and the descriptors sent with them (SCM_RIGHTS),
/// close-on-exec. `descriptor_count` is how many `descriptors` has room for (at most 64) and then how many there are;
/// `truncated` becomes 1 if there were more, which are closed. Returns bytes, 0 at the end, or -1 with errno set.
int64_t clinux_receive(int socket, void *bytes, int64_t capacity, int *descriptors, int *descriptor_count, int *truncated);

/// sendmsg(2) on a Unix socket without waiting and without SIGPIPE, with `descriptor_count` (at most 64) descriptors. Returns
/// bytes taken, or -1 with errno set.
int64_t clinux_send(int socket, const void *bytes, int64_t count, const int *descriptors, int descriptor_count);

/// Guards `length` mapped bytes at `start` (whole pages) of a file that another process can cut off: an access to a page that
/// the file no longer has, which would end this process by SIGBUS, finds a page of zeros in its place. Returns a number for
/// clinux_guard_end, or -1 if there are too many.
int clinux_guard_begin(void *start, int64_t length);

/// Ends a guard, before the memory is unmapped. Returns how many pages had to be replaced.
int clinux_guard_end(int guard);

/// From here to clinux_broken_pipes_end on this thread, a write to a socket whose peer has gone fails with EPIPE and does not end
/// the process: for code that writes without MSG_NOSIGNAL. Everywhere else SIGPIPE does what it did before. Nests.
void clinux_broken_pipes_begin(void);
void clinux_broken_pipes_end(void);
#endif
