import Testing

/// Drivers that nobody here wrote, on the models of this project: Linux and iPXE under a stock QEMU, attached by
/// vfio-user. `make test-qemu` runs them.
@Suite("A guest in a stock QEMU", .needsGuests, .serialized, .laboratory)
enum GuestTests {}
