#define _GNU_SOURCE 1
#include "CLinuxProcess.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs in the child of a process that may have many threads: only what signal-safety(7) allows.
static void become(const struct clinux_program *program, pid_t parent, int report) {
  int count = program->descriptor_count;
  int held[CLINUX_SPAWN_DESCRIPTORS];
  // Out of the way first: a descriptor may lie at a number that another one is to have.
  if ((report = fcntl(report, F_DUPFD_CLOEXEC, count)) < 0) _exit(127);
  for (int i = 0; i < count; i++)
    if ((held[i] = fcntl(program->descriptors[i], F_DUPFD_CLOEXEC, count)) < 0) goto failed;
  for (int i = 0; i < count; i++)
    if (dup2(held[i], i) < 0) goto failed;
  // Everything else closes with the exec. (On kernels before 5.11 what is not close-on-exec stays open.)
  syscall(SYS_close_range, (unsigned)count, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);

  for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (program->own_group && setpgid(0, 0) < 0) goto failed;
  if (program->death_signal && prctl(PR_SET_PDEATHSIG, program->death_signal) < 0) goto failed;
  // The parent may have died before it could be watched.
  if (getppid() != parent) _exit(127);
  execve(program->path, program->arguments, environ);
failed:;
  int code = errno;
  if (write(report, &code, sizeof code) < 0) _exit(126);
  _exit(127);
}

pid_t clinux_spawn(const struct clinux_program *program, int *pidfd) {
  if (program->descriptor_count < 0 || program->descriptor_count > CLINUX_SPAWN_DESCRIPTORS) {
    errno = EMFILE;
    return -1;
  }
  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) return -1;
  pid_t parent = getpid();
  // No handler of ours may run in the child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) become(program, parent, report[1]);
  int code = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(report[1]);
  if (pid > 0) {
    code = 0;
    while (read(report[0], &code, sizeof code) < 0 && errno == EINTR) {}
    int descriptor = code ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (!code && descriptor < 0) code = errno;
    if (code) {
      kill(pid, SIGKILL);
      clinux_reap(pid, true);
      pid = -1;
    } else {
      *pidfd = descriptor;
    }
  }
  close(report[0]);
  errno = code;
  return pid;
}

int32_t clinux_reap(pid_t pid, bool wait) {
  int status;
  pid_t found;
  do found = waitpid(pid, &status, wait ? 0 : WNOHANG);
  while (found < 0 && errno == EINTR);
  if (found == 0) return INT32_MIN;
  // Somebody else reaped it: how it ended is not known.
  if (found < 0) return 255;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
