#ifndef WIREBENCH_CFUZZER_H
#define WIREBENCH_CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// libFuzzer's main loop (compiler-rt, FuzzerInterface.h): runs `callback` on inputs until told otherwise.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/// Timers of the calling thread fire when they are due, not up to 50 us later (PR_SET_TIMERSLACK of prctl(2)).
void fuzzer_use_exact_timers(void);

#endif
