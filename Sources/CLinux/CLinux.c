#define _GNU_SOURCE 1
#include "CLinux.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int clinux_memfd_create(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int clinux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds) {
  struct timespec span = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
  int count = epoll_pwait2(epoll, events, capacity, nanoseconds < 0 ? NULL : &span, NULL);
  if (count >= 0 || errno != ENOSYS) return count;
  int64_t milliseconds = nanoseconds < 0 ? -1 : nanoseconds / 1000000 + (nanoseconds % 1000000 != 0);
  return epoll_wait(epoll, events, capacity, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
}

enum { most_descriptors = 64 };

int64_t clinux_receive(int socket, void *bytes, int64_t capacity, int *descriptors, int *descriptor_count, int *truncated) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))];
  int room = *descriptor_count < most_descriptors ? *descriptor_count : most_descriptors;
  struct iovec part = {.iov_base = bytes, .iov_len = (size_t)capacity};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN((size_t)room * sizeof(int))};
  *descriptor_count = 0;
  *truncated = 0;
  ssize_t length = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) return -1;
  if (message.msg_controllen == 0) return length;
  *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item != NULL; item = CMSG_NXTHDR(&message, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    int count = (int)((item->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors + *descriptor_count, CMSG_DATA(item), (size_t)count * sizeof(int));
    *descriptor_count += count;
  }
  return length;
}

int64_t clinux_send(int socket, const void *bytes, int64_t count, const int *descriptors, int descriptor_count) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(most_descriptors * sizeof(int))];
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = (size_t)count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptor_count > most_descriptors) {
    errno = EINVAL;
    return -1;
  }
  if (descriptor_count > 0) {
    size_t length = (size_t)descriptor_count * sizeof(int);
    memset(control, 0, sizeof control);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(length);
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(item), descriptors, length);
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static _Thread_local int broken_pipes;
static pthread_once_t broken_pipes_once = PTHREAD_ONCE_INIT;

/// The signal comes to the thread that wrote.
static void handle_broken_pipe(int number) {
  if (broken_pipes > 0) return;
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigaction(number, &action, NULL);
  raise(number);
}

static void catch_broken_pipes(void) {
  struct sigaction before;
  struct sigaction action = {.sa_handler = handle_broken_pipe, .sa_flags = SA_RESTART};
  // A program that ignores the signal, or has a handler, keeps that.
  if (sigaction(SIGPIPE, NULL, &before) == 0 && before.sa_handler == SIG_DFL) sigaction(SIGPIPE, &action, NULL);
}

void clinux_broken_pipes_begin(void) {
  pthread_once(&broken_pipes_once, catch_broken_pipes);
  broken_pipes++;
}

void clinux_broken_pipes_end(void) { broken_pipes--; }

enum { most_guards = 16384, page = 4096 };

/// A free entry has no start; an entry that is being made has one that no address equals.
static _Atomic uintptr_t guard_start[most_guards];
static _Atomic uintptr_t guard_end[most_guards];
static _Atomic int guard_faults[most_guards];
static struct sigaction action_before;
static pthread_once_t guard_once = PTHREAD_ONCE_INIT;

static void handle_bus_error(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  int code = errno;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; i < most_guards; i++) {
    uintptr_t start = atomic_load(&guard_start[i]), end = atomic_load(&guard_end[i]);
    if (start <= 1 || address < start || address >= end) continue;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    void *one = (void *)(address & ~(uintptr_t)(page - 1));
    // Part of a huge page cannot be replaced; then all goes.
    if (mmap(one, page, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED ||
        mmap((void *)start, end - start, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) {
      atomic_fetch_add(&guard_faults[i], 1);
      errno = code;
      return;
    }
  }
  // Not ours: the access is made again, and ends as it would have.
  sigaction(SIGBUS, &action_before, NULL);
}

static void install_guard(void) {
  struct sigaction action = {.sa_sigaction = handle_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &action_before);
}

int clinux_guard_begin(void *start, int64_t length) {
  pthread_once(&guard_once, install_guard);
  for (int i = 0; i < most_guards; i++) {
    uintptr_t none = 0;
    if (atomic_load(&guard_start[i]) != 0 || !atomic_compare_exchange_strong(&guard_start[i], &none, 1)) continue;
    atomic_store(&guard_faults[i], 0);
    atomic_store(&guard_end[i], (uintptr_t)start + (uintptr_t)length);
    atomic_store(&guard_start[i], (uintptr_t)start);
    return i;
  }
  return -1;
}

int clinux_guard_end(int guard) {
  int faults = atomic_load(&guard_faults[guard]);
  atomic_store(&guard_start[guard], 0);
  return faults;
}
