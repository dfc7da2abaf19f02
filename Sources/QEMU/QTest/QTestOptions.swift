import EventLoop

/// A port of this machine that leads to one of the machine behind QEMU's user network.
public struct PortForward: Sendable, Hashable {
  public enum Transport: String, Sendable { case tcp, udp }

  public var transport: Transport
  /// Where QEMU listens.
  public var hostAddress: String
  public var hostPort: UInt16
  /// Where it leads; nil for the first address that the user network's DHCP server gives out (10.0.2.15).
  public var guestAddress: String?
  public var guestPort: UInt16

  public init(
    _ transport: Transport = .tcp, hostAddress: String = "127.0.0.1", hostPort: UInt16, guestAddress: String? = nil,
    guestPort: UInt16
  ) {
    self.transport = transport
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.guestAddress = guestAddress
    self.guestPort = guestPort
  }

  /// As an option of `-netdev user`.
  var option: String {
    "hostfwd=\(transport.rawValue):\(hostAddress):\(hostPort)-\(guestAddress ?? ""):\(guestPort)"
  }
}

extension QTestMachine {
  public struct Options: Sendable {
    /// Bytes of guest memory: whole MiB, from 4 MiB to 3 GiB.
    public var memoryByteCount = 64 << 20
    /// The device, as `-device` takes it, with properties if wanted (`e1000,mac=52:54:00:12:34:57`).
    public var device = "e1000"
    /// Device number on the root bus.
    public var slot: UInt8 = 3
    /// What the cable ends in, as `-netdev` takes it, with options if wanted (`user,restrict=on,ipv6=off`).
    public var network = "user"
    /// For the user network.
    public var portForwards: [PortForward] = []
    /// Further arguments of QEMU.
    public var arguments: [String] = []
    /// The accelerator; nil: `tcg` where QEMU has it, else `qtest`.
    ///
    /// With `tcg` a processor runs, though it only halts, and QEMU's virtual clock with it, by which e1000 holds back
    /// interrupts and the user network counts its times. With `qtest` that clock stands still until it is told how much
    /// time has passed, which it is every millisecond.
    public var accelerator: String?
    /// How long QEMU may take to start, and for a reply.
    public var limit = TimeSpan.seconds(10)

    public init() {}
  }
}

/// The command line of a QEMU that is only its devices.
struct QTestArguments {
  /// The descriptors by which memory and connection reach QEMU.
  static let memory = 3
  static let connection = 4

  let options: QTestMachine.Options
  let accelerator: String
  let firmware: String

  init(_ options: QTestMachine.Options, accelerators: Set<String>, firmware: String) throws(QEMUError) {
    let mebibyte = 1 << 20
    guard options.memoryByteCount % mebibyte == 0, (4 * mebibyte...3072 * mebibyte).contains(options.memoryByteCount)
    else { throw .badOption("\(options.memoryByteCount) bytes of guest memory: it must be whole MiB, 4 to 3072") }
    // 0 is the host bridge, 1 the ISA bridge.
    guard (2...31).contains(options.slot) else { throw .badOption("slot \(options.slot): it must be 2 to 31") }
    guard !options.device.isEmpty, !options.network.isEmpty else {
      throw .badOption("a device and a network are needed")
    }
    guard options.portForwards.isEmpty || options.network.prefix(while: { $0 != "," }) == "user" else {
      throw .badOption("only the user network forwards ports")
    }
    self.options = options
    self.firmware = firmware
    accelerator = options.accelerator ?? (accelerators.contains("tcg") ? "tcg" : "qtest")
    // QEMU does not list qtest; whether it has it, it says itself.
    guard accelerator == "qtest" || accelerators.contains(accelerator) else {
      throw .badOption("this QEMU has no accelerator \(accelerator)")
    }
  }

  var list: [String] {
    let size = "\(options.memoryByteCount >> 20)M"
    let name = options.device.prefix { $0 != "," }
    return [
      "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
      // Nothing but the device in question shall run by itself.
      "-machine", "pc,pit=off,hpet=off,vmport=off,usb=off,graphics=off,memory-backend=ram",
      "-accel", accelerator == "tcg" ? "tcg,tb-size=1" : accelerator, "-bios", Self.escape(firmware), "-m", size,
      "-object", "memory-backend-file,id=ram,size=\(size),mem-path=/proc/self/fd/\(Self.memory),share=on",
      "-chardev", "socket,id=qtest,fd=\(Self.connection)", "-qtest", "chardev:qtest", "-qtest-log", "none",
      "-netdev", ([options.network, "id=net0"] + options.portForwards.map(\.option)).joined(separator: ","),
      // Without option ROM, which is another package of most distributions.
      "-device",
      "\(name),netdev=net0,addr=0x\(String(options.slot, radix: 16)),romfile=\(options.device.dropFirst(name.count))",
    ] + options.arguments
  }

  /// A value in an option that is divided by commas.
  static func escape(_ value: String) -> String {
    value.reduce(into: "") { $0 += $1 == "," ? ",," : String($1) }
  }

  /// A BIOS of 64 KiB that does nothing: at the reset vector, 16 bytes before its end, `cli; hlt; jmp` to the `hlt`.
  static var haltingFirmware: [UInt8] {
    var image = [UInt8](repeating: 0x90, count: 64 << 10)
    image.replaceSubrange(0xFFF0..<0xFFF4, with: [0xFA, 0xF4, 0xEB, 0xFD])
    return image
  }
}
