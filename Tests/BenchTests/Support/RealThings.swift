import Testing

/// Everything that runs the workbench as a user does, against real servers and real time: one test after the other, so
/// that limits of time mean something.
@Suite("The path against real things", .serialized) struct RealThings {}
