import EventLoop
import Glibc

/// The end of a wait that blocks the thread, where no loop turns.
struct Deadline {
  private let nanoseconds: Int64

  init(after limit: TimeSpan) {
    let (sum, overflow) = Self.now.addingReportingOverflow(limit.nanoseconds)
    nanoseconds = overflow ? .max : sum
  }

  /// What is left, in the whole milliseconds of poll(2), rounded up; 0 when it has passed.
  var milliseconds: Int32 {
    let left = nanoseconds - Self.now
    return left <= 0 ? 0 : Int32(clamping: left / 1_000_000 + 1)
  }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// Waits for `descriptor`; the events that came, 0 at the deadline.
func waitFor(_ events: Int32, on descriptor: Int32, until deadline: Deadline) -> Int32 {
  while true {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    let left = deadline.milliseconds
    let count = poll(&entry, 1, left)
    if count > 0 { return Int32(entry.revents) }
    if count == 0 || errno != EINTR || left == 0 { return 0 }
  }
}
