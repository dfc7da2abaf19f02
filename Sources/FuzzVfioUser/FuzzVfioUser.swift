import EventLoop
import FuzzScript

/// A libFuzzer target: each input is a script of what a hostile client sends to a vfio-user server that serves an
/// 82540EM, on real sockets, with real descriptors (``Client``). Afterwards nothing of the client may be left, and the
/// next one must be served (``Session``).
@main
struct FuzzVfioUser {
  static func main() {
    fuzz { data, size in
      Session.run(Script(UnsafeBufferPointer(start: data, count: size)))
      return 0
    }
  }
}
