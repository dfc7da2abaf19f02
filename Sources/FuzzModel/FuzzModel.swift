import FuzzScript

/// A libFuzzer target: each input is a script of what a hostile guest, its wire and time do to an 82540EM or 82545EM,
/// step by step, in virtual time (``Guest``). Afterwards the books must balance, and after a reset the device must send
/// and receive (``World/check()``).
@main
struct FuzzModel {
  static func main() {
    fuzz { data, size in
      var script = Script(UnsafeBufferPointer(start: data, count: size))
      let world = World(script.byte() & 1 == 0 ? .i82540EM : .i82545EM, isLossless: script.byte() & 1 == 0)
      Guest(world, script).play()
      world.check()
      return 0
    }
  }
}
