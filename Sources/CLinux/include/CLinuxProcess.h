// Starting another program, and watching it.
#ifndef WIREBENCH_CLINUX_PROCESS_H
#define WIREBENCH_CLINUX_PROCESS_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// The largest number of descriptors that a program can be given.
#define CLINUX_SPAWN_DESCRIPTORS 32

/// A program to start, as posix_spawn(3) would, and two things that it cannot do: the program is sent `death_signal` when the thread
/// that started it ends (PR_SET_PDEATHSIG of prctl(2)), and it inherits no descriptors but those of the list. Its environment is ours.
struct clinux_program {
  const char *path;
  char *const *arguments;
  /// The program's descriptors 0, 1, 2, and so on.
  const int *descriptors;
  int descriptor_count;
  /// A process group of its own: the terminal's signals do not reach it, nor can it read from the terminal.
  bool own_group;
  int death_signal;
};

/// Starts a program with default signal actions and no signal blocked. Returns its process id and stores a pidfd_open(2) descriptor
/// (close-on-exec, readable when the program has ended); returns -1 with errno set if it cannot be started.
pid_t clinux_spawn(const struct clinux_program *program, int *pidfd);

/// How a child ended: its exit code, the negative number of the signal that ended it, or INT32_MIN while it runs (not if `wait` is
/// true). Reaps it: to be called no more after that.
int32_t clinux_reap(pid_t pid, bool wait);
#endif
