#ifndef WIREBENCH_CFUZZER_H
#define WIREBENCH_CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// libFuzzer's main loop (compiler-rt, FuzzerInterface.h): runs `callback` on inputs until told otherwise.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
