#include "CFuzzer.h"

#include <sys/prctl.h>

void fuzzer_use_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL); }
