import LinuxABI

// What a program says of interfaces, routes and neighbours.
extension Session {
  private static func bytes<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

  /// A `struct sockaddr_in`.
  static func address(_ text: String, family: UInt16 = 2) -> [UInt8] {
    inet(0, text.split(separator: ".").map { UInt8($0)! }, family: family)
  }

  /// ioctl(2) with a `struct ifreq`; writes down the union that comes back.
  @discardableResult
  func interface(
    _ s: Int, _ request: UInt, _ name: String, _ union: [UInt8] = [], isQuiet: Bool = false, line: Int = #line
  ) async -> Int {
    let name = Array(name.utf8)
    let pointer = put(
      name + [UInt8](repeating: 0, count: 16 - name.count) + union + [UInt8](repeating: 0, count: 24 - union.count))
    let result = await raw(.ioctl, [s, Int(request), Int(pointer)])
    let answer = get(pointer, count: 40)
    if !isQuiet {
      note("ioctl 0x\(String(request, radix: 16)) \(Self.text(result)) \(Array(answer[16...]))", line)
    }
    return result
  }

  func flags(_ s: Int, _ name: String, _ flags: UInt16, line: Int = #line) async {
    await interface(s, ControlRequest.SIOCSIFFLAGS, name, Self.bytes(flags), line: line)
    await interface(s, ControlRequest.SIOCGIFFLAGS, name, line: line)
  }

  func number(_ s: Int, _ request: UInt, _ name: String, _ value: Int32, line: Int = #line) async {
    await interface(s, request, name, Self.bytes(value), line: line)
  }

  /// Sets something of an address, and asks for all that it has.
  func address(_ s: Int, _ request: UInt, _ name: String, _ address: String, line: Int = #line) async {
    await interface(s, request, name, Self.address(address), line: line)
    await addresses(s, name, line: line)
  }

  func addresses(_ s: Int, _ name: String, line: Int = #line) async {
    for request in [
      ControlRequest.SIOCGIFADDR, ControlRequest.SIOCGIFDSTADDR, ControlRequest.SIOCGIFBRDADDR,
      ControlRequest.SIOCGIFNETMASK,
    ] {
      await interface(s, request, name, line: line)
    }
  }

  /// SIOCGIFCONF, by name and address.
  func list(_ s: Int, room: Int32 = 400, line: Int = #line) async {
    let buffer = self.room(Int(max(room, 1)))
    let pointer = put(Self.bytes(UInt64(UInt32(bitPattern: room))) + Self.bytes(UInt64(buffer)))
    let result = await raw(.ioctl, [s, Int(ControlRequest.SIOCGIFCONF), Int(pointer)])
    let length = get(pointer, as: Int32.self)
    note("SIOCGIFCONF \(Self.text(result)) \(length) \(get(buffer, count: max(0, Int(length))))", line)
  }

  /// Both interfaces up, `tap0` with 10.9.0.1/24 and a hardware address that is known.
  func setUpInterfaces() async -> Int {
    let s = await udp()
    await interface(
      s, ControlRequest.SIOCSIFHWADDR, "tap0", [1, 0, 2, 0, 0, 0, 0, 0x99], isQuiet: true)
    await interface(s, ControlRequest.SIOCSIFFLAGS, "lo", Self.bytes(UInt16(0)), isQuiet: true)
    for (name, flags) in [("lo", UInt16(1)), ("tap0", 0x1003)] {
      await interface(s, ControlRequest.SIOCSIFFLAGS, name, Self.bytes(flags), isQuiet: true)
    }
    await interface(s, ControlRequest.SIOCSIFADDR, "tap0", Self.address("10.9.0.1"))
    await interface(s, ControlRequest.SIOCSIFNETMASK, "tap0", Self.address("255.255.255.0"))
    return s
  }

  /// SIOCADDRT or SIOCDELRT with a `struct rtentry`.
  @discardableResult
  func route(
    _ s: Int, _ request: UInt, _ destination: String = "0.0.0.0", via gateway: String = "0.0.0.0",
    mask: String = "0.0.0.0", flags: UInt16 = 1, metric: Int16 = 0, device: String? = nil,
    limits: [UInt64] = [0, 0, 0],
    families: [UInt16] = [2, 2, 2], line: Int = #line
  ) async -> Int {
    let name = device.map { put(Array($0.utf8) + [UInt8](repeating: 0, count: 16)) } ?? 0
    var entry = Self.bytes(UInt64(0)) + Self.address(destination, family: families[0])
    entry += Self.address(gateway, family: families[1]) + Self.address(mask, family: families[2])
    entry += Self.bytes(flags) + [UInt8](repeating: 0, count: 22) + Self.bytes(Int64(metric)) + Self.bytes(UInt64(name))
    entry += limits.flatMap { Self.bytes($0) }
    return await call(.ioctl, s, Int(request), Int(put(entry)), line: line)
  }

  /// SIOCSARP and its kin with a `struct arpreq`; writes down what comes back.
  func neighbour(
    _ s: Int, _ request: UInt, _ address: String, hardware: [UInt8] = [2, 0, 0, 0, 0, 5], flags: Int32 = 2,
    device: String = "", family: UInt16 = 2, hardwareFamily: UInt16 = 1, mask: String = "0.0.0.0",
    line: Int = #line
  ) async {
    var entry = Self.address(address, family: family) + Self.bytes(hardwareFamily) + hardware
    entry += [UInt8](repeating: 0, count: 8) + Self.bytes(flags) + Self.address(mask)
    entry += Array(device.utf8) + [UInt8](repeating: 0, count: 16 - device.utf8.count)
    let pointer = put(entry)
    let result = await raw(.ioctl, [s, Int(request), Int(pointer)])
    note("ioctl 0x\(String(request, radix: 16)) \(Self.text(result)) \(get(pointer, count: 68))", line)
  }
}

extension Session {
  func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
}
