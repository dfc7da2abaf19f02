import ArgumentParser
import Bench

/// The options of the commands that serve a NIC to a QEMU.
struct DeviceArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The NIC: 82540em or 82545em.", valueName: "model"))
  var nic = "82540em"

  @Option(help: ArgumentHelp("MAC address in the NIC's EEPROM; further NICs count up.", valueName: "address"))
  var mac = "52:54:00:12:34:56"

  @Option(help: ArgumentHelp("An option ROM for the guest's firmware, to boot from the network.", valueName: "file"))
  var rom: String?

  @OptionGroup var cable: CableArguments

  func options(sockets: [String]) throws -> DeviceHost.Options {
    var options = DeviceHost.Options()
    options.controller = try BenchArguments.controller(nic)
    options.hardwareAddress = try BenchArguments.hardwareAddress(mac)
    options.sockets = sockets
    options.mtu = cable.mtu
    options.cable = try cable.options()
    if let rom {
      options.expansionROM = try Input.file(
        rom, option: "--rom", limit: 16 << 20, remedy: "name an option ROM, such as those of Debian's ipxe-qemu")
    }
    try OutputFiles.check([("--capture", cable.capture)])
    options.seed = cable.seedOrRandom
    options.eventSink = cable.eventSink
    return options
  }
}
