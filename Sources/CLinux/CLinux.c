#define _GNU_SOURCE 1
#include "CLinux.h"

int clinux_memfd_create(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
